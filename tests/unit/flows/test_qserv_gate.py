"""What Qserv says of files, judged: what may be committed, what is waited for, what is begun again."""

import dataclasses

import pytest

from dbb.flows.qserv_gate import beyond_repair, gate, is_running, lost_way
from dbb.model.qserv import AUTOMATIC_RETRIES, ChunkFile, Contribution, ContributionStatus, Location

FILE = ChunkFile("Object", 7, False, 0, "c/7.txt", 3, 30, "ab")
KEY = (FILE.key, "worker-1")
EXPECTED = {KEY: (FILE, Location(7, "worker-1", "http://worker-1"))}
LOADED = Contribution(
    1, "worker-1", "Object", 7, False, "file:///c/7.txt", ContributionStatus.FINISHED,
    rows=3, rows_loaded=3, size_bytes=30, warnings=0, retry_allowed=False,
)  # fmt: skip
SENT = "data-csv://10.0.0.1/leaf"
READ_FAILED, IN_PROGRESS = ContributionStatus.READ_FAILED, ContributionStatus.IN_PROGRESS


class Addresses:
    """Judge every address alike."""

    is_pushed = False

    def __init__(self, *, lapsed):
        self._lapsed = lapsed

    def is_lapsed(self, _):
        return self._lapsed


def but(**changes):
    return dataclasses.replace(LOADED, **changes)


def judge(one, *, lapsed=False):
    found = {KEY: [one]}
    return beyond_repair(found, EXPECTED) or lost_way(Addresses(lapsed=lapsed), found, EXPECTED)


def test_what_is_loaded_passes():
    assert gate({KEY: FILE}, {KEY: [LOADED]}) == []
    assert judge(LOADED) == ""
    assert judge(but(url=SENT)) == ""


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ([], "is there 0 times"),
        ([LOADED, LOADED], "is there 2 times"),
        ([but(rows_loaded=2)], "3 rows, 2 loaded"),
        ([but(size_bytes=29)], "29 bytes of 30"),
        ([but(warnings=1)], "1 warnings"),
        ([but(status=IN_PROGRESS)], "is IN_PROGRESS"),
    ],
)
def test_anything_less_does_not(made, told):
    (reason,) = gate({KEY: FILE}, {KEY: made})
    assert told in reason


def test_what_was_sent_is_waited_for_until_it_is_stranded():
    young, old = (but(url=SENT, status=IN_PROGRESS, age_s=age_s) for age_s in (3500, 3700))
    assert is_running(young)
    assert judge(young) == ""
    assert not is_running(old)
    assert "its worker was restarted" in judge(old)
    assert is_running(but(status=IN_PROGRESS, age_s=1e6))  # a worker takes up what it fetches


def test_what_was_sent_in_part_is_begun_again():
    assert "cut off after 10 of 30 bytes" in judge(but(url=SENT, size_bytes=10, rows=1))
    assert judge(but(size_bytes=10)) == ""  # a file that is fetched is another file: the gate's


def test_what_was_sent_is_not_read_again():
    one = but(url=SENT, status=READ_FAILED, retry_allowed=True)
    assert not is_running(one)
    assert "could not be read" in judge(one)


def test_an_address_that_lapsed_is_given_up_only_when_its_worker_has():
    trying = but(status=READ_FAILED, retry_allowed=True, retries=AUTOMATIC_RETRIES - 1)
    given_up = dataclasses.replace(trying, retries=AUTOMATIC_RETRIES)
    assert judge(trying, lapsed=True) == ""
    assert "has lapsed" in judge(given_up, lapsed=True)
    assert judge(given_up) == ""
    assert judge(LOADED, lapsed=True) == ""
