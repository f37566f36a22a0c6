"""A batch whose files are sent, over a Qserv in memory: whatever becomes of a file, it is committed once and whole.

What the real parts do is in `tests/integration/test_qserv_serving.py`.
"""

import dataclasses
import hashlib
import itertools

import pytest

from dbb.errors import QservRefused, QservStuck, QservUnavailable
from dbb.flows.qserv_ingesting import MOST_ATTEMPTS, Progress, advance_batch
from dbb.flows.qserv_views import Handoff, HandoffRow, Stage
from dbb.hooks.qserv.records import SqlQserv
from dbb.hooks.qserv.workshop import StagingFolder
from dbb.model.qserv import (
    ChunkFile,
    Contribution,
    ContributionStatus,
    Location,
    Transaction,
    TransactionState,
)
from support.qserv_tables import PLAN
from support.world import World

FINISHED, IN_PROGRESS = ContributionStatus.FINISHED, ContributionStatus.IN_PROGRESS
WHERE = Location(7, "worker-1", "http://worker-1")


class MemoryQserv:
    """Keep transactions; `troubles` are what befalls the next files that are sent."""

    def __init__(self):
        self.kept, self.numbers, self.troubles, self.sent = {}, itertools.count(1), [], []

    def transactions(self, _database):
        return list(self.kept.values())

    def transaction(self, number):
        return self.kept[number]

    def start(self, _database, context):
        number = next(self.numbers)
        self.kept[number] = Transaction(number, TransactionState.STARTED, context)
        return number

    def allocate(self, _transaction, chunks):
        return [dataclasses.replace(WHERE, chunk=chunk) for chunk in chunks]

    def regular_locations(self, _transaction):
        return [WHERE]

    def cancel(self, *_):
        pass

    def push(self, where, transaction, file, name, source):
        data = source.read()
        self.sent.append((transaction, name))
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble == "nothing came":
            raise QservUnavailable.for_cause("POST", "ConnectionError")
        size = len(data) // 2 if trouble == "cut off" else len(data)
        rows = data[:size].count(b"\n")
        one = Contribution(
            next(self.numbers), where.worker, file.table, file.chunk, file.is_overlap,
            f"data-csv://10.0.0.1/{name}", IN_PROGRESS if trouble == "died" else FINISHED,
            rows, rows, size, warnings=0, retry_allowed=False, age_s=1e6 if trouble == "died" else 1,
        )  # fmt: skip
        if trouble == "disk full":
            one = dataclasses.replace(one, status=ContributionStatus.LOAD_FAILED)
        now = self.kept[transaction]
        self.kept[transaction] = dataclasses.replace(now, contributions=(*now.contributions, one))
        if trouble == "disk full":
            raise QservRefused.for_answer("POST", "No space left on device")
        if trouble:
            raise QservUnavailable.for_cause("POST", "ReadTimeout")

    def end(self, number, *, abort):
        state = TransactionState.ABORTED if abort else TransactionState.FINISHED
        self.kept[number] = dataclasses.replace(self.kept[number], state=state)


@pytest.fixture
def handoff(tmp_path):
    world = World()
    records = SqlQserv(world.ledger)
    row = HandoffRow("tiny", "usdf", "tiny", "0" * 64, Stage.PLANNED)
    records.begin(row)
    files = []
    for chunk in (7, 8, 9):
        data = b"%d\t1\n" % chunk * 4
        (tmp_path / f"{chunk}.txt").write_bytes(data)
        digest = hashlib.blake2b(data, digest_size=20).hexdigest()
        files.append(ChunkFile("Object", chunk, False, 0, f"{chunk}.txt", 4, len(data), digest))
    records.note_files(row.name, {0: files})
    return Handoff(row, PLAN, MemoryQserv(), records, StagingFolder(tmp_path, "push"))


def load(handoff):
    """Load as a task does that is tried again; give how often it failed."""
    failures = 0
    for _ in range(50):
        try:
            if advance_batch(handoff, "Object", 0) is Progress.COMMITTED:
                return failures
        except QservUnavailable:
            failures += 1
    pytest.fail("it was not committed")


def committed(handoff):
    (one,) = (each for each in handoff.server.kept.values() if each.state == "FINISHED")
    assert len(one.contributions) == len({each.url for each in one.contributions}) == 3
    assert {each.size_bytes for each in one.contributions} == {16}
    return one


def test_what_arrives_is_committed_at_once(handoff):
    assert load(handoff) == 0
    assert committed(handoff).id == 1
    assert len(handoff.server.sent) == 3


def test_a_lost_answer_is_read_and_nothing_is_sent_again(handoff):
    handoff.server.troubles = ["lost", "", "lost"]
    assert load(handoff) == 0
    assert committed(handoff).id == 1
    assert len(handoff.server.sent) == 3


def test_what_nobody_has_is_sent_again_in_the_same_transaction(handoff):
    handoff.server.troubles = ["", "nothing came"]
    assert load(handoff) == 1
    assert committed(handoff).id == 1
    assert len(handoff.server.sent) == 4


@pytest.mark.parametrize("trouble", ["cut off", "died", "disk full"])
def test_what_cannot_become_whole_is_begun_again(handoff, trouble):
    handoff.server.troubles = ["", trouble]
    assert load(handoff) == 0
    assert committed(handoff).id != 1
    assert handoff.server.kept[1].state == "ABORTED"
    states = [each.state for each in handoff.records.attempts(handoff.name)]
    assert states == ["aborted", "committed"]


def test_it_is_not_begun_again_for_ever(handoff):
    handoff.server.troubles = ["cut off"] * 100
    with pytest.raises(QservStuck, match="was cut off after 8 of 16 bytes"):
        load(handoff)
    assert len(handoff.server.kept) == MOST_ATTEMPTS
    assert {each.state for each in handoff.server.kept.values()} == {"ABORTED"}
