"""Loading one batch of a table in one transaction of Qserv: all of it once, or nothing.

Qserv commits whatever was loaded, also what failed. So a transaction is committed only through the
gate: every expected file is there exactly once for each place, FINISHED, with the rows and bytes that
it has, and without a warning. What is not known, because an answer was lost, is read from the
transaction, which is found again by its context; nothing is ever sent twice on a guess.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from dbb.errors import LoadRefused, QservRefused, QservStuck, QservUnavailable
from dbb.flows.qserv_gate import Found, beyond_repair, gate, is_running, lost_way
from dbb.flows.qserv_views import Attempt, Handoff
from dbb.model.qserv import (
    ChunkFile,
    ContributionStatus,
    Location,
    Transaction,
    TransactionState,
)

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 3


class Progress(StrEnum):
    """Say whether there is something to wait for."""

    WAITING = "waiting"
    COMMITTED = "committed"


def advance_batch(handoff: Handoff, table: str, batch: int) -> Progress:
    """Do what can be done for a batch now; call again until it is committed.

    Raises
    ------
    LoadRefused
        If Qserv loaded something else than the files; the transaction is aborted.
    QservStuck
        If it was tried too often.
    QservUnavailable
        If an answer did not come; the next call reads what became of the request.
    """
    files = handoff.records.files(handoff.name, table, batch)
    own = _own_transactions(handoff, table, batch, files)
    live = [each for each in own if each.state is not TransactionState.ABORTED]
    if len(live) > 1:
        return _drop_extra(handoff, table, batch, live)
    if not live:
        return _start(handoff, table, batch, files)
    (transaction,) = live
    if transaction.state is TransactionState.FINISHED:
        return _settle(handoff, table, batch, files, transaction)
    if transaction.state in (
        TransactionState.START_FAILED, TransactionState.FINISH_FAILED, TransactionState.ABORT_FAILED,
    ):  # fmt: skip
        _abort(handoff, table, batch, transaction, f"it is {transaction.state}")
        return Progress.WAITING
    if transaction.state is not TransactionState.STARTED:
        return Progress.WAITING
    return _load(handoff, table, batch, files, transaction)


def files_digest(files: Iterable[ChunkFile]) -> str:
    """Name a set of files by their content."""
    lines = sorted(f"{file.key} {file.digest}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _own_transactions(
    handoff: Handoff, table: str, batch: int, files: Sequence[ChunkFile]
) -> list[Transaction]:
    """Find the batch's transactions by their context; those of other files are no longer wanted."""
    wanted = {"handoff": handoff.name, "table": table, "batch": batch}
    digest = files_digest(files)
    own = []
    for each in handoff.server.transactions(handoff.plan.database):
        if {name: each.context.get(name) for name in wanted} == wanted:
            if each.context.get("files_sha256") != digest and not each.state.is_final:
                _abort(handoff, table, batch, each, "it was for other files")
                continue
            own.append(each)
    return own


def _drop_extra(handoff: Handoff, table: str, batch: int, live: list[Transaction]) -> Progress:
    """Keep one transaction; two that are committed hold rows twice, which nothing mends in place."""
    done = [each for each in live if each.state is TransactionState.FINISHED]
    if len(done) > 1:
        raise LoadRefused.for_difference(
            f"{table} batch {batch}",
            f"Its rows are loaded twice, by transactions {', '.join(str(each.id) for each in done)};"
            " roll the catalogue back",
        )
    kept = done[0] if done else live[0]
    for each in live:
        if each is not kept and each.state is not TransactionState.IS_ABORTING:
            _abort(handoff, table, batch, each, "another one has its files")
    return Progress.WAITING


def _start(handoff: Handoff, table: str, batch: int, files: Sequence[ChunkFile]) -> Progress:
    number = handoff.records.intend(handoff.name, table, batch)
    context = {
        "handoff": handoff.name,
        "table": table,
        "batch": batch,
        "attempt": number,
        "files_sha256": files_digest(files),
        "plan_sha256": handoff.row.plan_sha256,
    }
    transaction = handoff.server.start(handoff.plan.database, context)
    _note(handoff, Attempt(table, batch, number, transaction, "started"))
    log.info("action=start-transaction table=%s batch=%d transaction=%d", table, batch, transaction)
    return Progress.WAITING


def _load(
    handoff: Handoff, table: str, batch: int, files: Sequence[ChunkFile], transaction: Transaction
) -> Progress:
    places = _places(handoff, table, files, transaction.id)
    expected = {
        (file.key, where.worker): (file, where) for file in files for where in places[file.chunk]
    }
    serving = handoff.workshop.serving
    by_mark = {
        (serving.mark(file), where.worker): (file.key, where.worker)
        for file, where in expected.values()
    }
    found: Found = defaultdict(list)
    for one in handoff.server.transaction(transaction.id).contributions:
        key = by_mark.get((serving.mark_in(one.url), one.worker))
        found[key or ((one.table, one.chunk, one.is_overlap, -1), one.worker)].append(one)
    running = sum(is_running(one) for made in found.values() for one in made)
    reason = beyond_repair(found, expected.keys()) or lost_way(serving, found, expected)
    if reason:
        if _abort(handoff, table, batch, transaction, reason):
            _check_attempts(handoff, table, batch, reason)
        return Progress.WAITING
    for key, (file, where) in expected.items():
        if running >= handoff.in_flight:
            return Progress.WAITING
        made = found.get(key, [])
        if not made:
            _send(handoff, where, transaction.id, file)
            running += 1
        elif made[0].status is ContributionStatus.READ_FAILED and not is_running(made[0]):
            handoff.server.retry(where, made[0].id)
            running += 1
    if running:
        return Progress.WAITING
    against = gate({key: file for key, (file, _) in expected.items()}, found)
    if against:
        reason = "; ".join(against[:3])
        _abort(handoff, table, batch, transaction, reason)
        raise LoadRefused.for_difference(f"{table} batch {batch}", reason)
    attempt = _attempt(handoff, table, batch, transaction, "started")
    handoff.records.note_loaded(
        handoff.name, attempt, [(expected[key][0], made[0]) for key, made in found.items()]
    )
    handoff.server.end(transaction.id, abort=False)
    return _settle(handoff, table, batch, files, handoff.server.transaction(transaction.id))


def _send(handoff: Handoff, where: Location, transaction: int, file: ChunkFile) -> None:
    """Have a worker load a file: from its address, or by sending it, which waits until it is loaded.

    What a worker has of a file that was sent and not answered for is read by the next call, if it has anything.
    """
    url = handoff.workshop.url_of(file)
    serving = handoff.workshop.serving
    if not serving.is_pushed:
        handoff.server.submit(where, transaction, file, url)
        return
    try:
        with handoff.workshop.open(file) as source:
            handoff.server.push(where, transaction, file, url, source)
    except (QservRefused, QservUnavailable):
        now = handoff.server.transaction(transaction).contributions
        if (url, where.worker) not in {(serving.mark_in(one.url), one.worker) for one in now}:
            raise


def _settle(
    handoff: Handoff, table: str, batch: int, files: Sequence[ChunkFile], transaction: Transaction
) -> Progress:
    """Note a commit that was read back."""
    if transaction.state is not TransactionState.FINISHED:
        return Progress.WAITING
    if transaction.context and transaction.context.get("files_sha256") != files_digest(files):
        raise LoadRefused.for_difference(
            f"{table} batch {batch}",
            "Other files than these are committed; roll the catalogue back",
        )
    _note(handoff, _attempt(handoff, table, batch, transaction, "committed"))
    return Progress.COMMITTED


def _places(
    handoff: Handoff, table: str, files: Sequence[ChunkFile], transaction: int
) -> dict[int, list[Location]]:
    """Find where each chunk's files go; a regular table's go to every worker."""
    if handoff.plan.table(table).rule.is_partitioned:
        chunks = sorted({file.chunk for file in files})
        return {where.chunk: [where] for where in handoff.server.allocate(transaction, chunks)}
    return {0: handoff.server.regular_locations(transaction)}


def _abort(handoff: Handoff, table: str, batch: int, transaction: Transaction, reason: str) -> bool:
    """Abort a transaction when nothing of it is in work any more; tell whether it was.

    What is being loaded while its transaction is aborted may stay in the table: so the workers drop
    what waits, and what they are at is waited for.
    """
    now = handoff.server.transaction(transaction.id)
    if any(is_running(one) for one in now.contributions):
        for where in handoff.server.regular_locations(transaction.id):
            handoff.server.cancel(where, transaction.id)
        return False
    log.warning(
        "action=abort-transaction table=%s batch=%d transaction=%d reason=%s",
        table, batch, transaction.id, reason,
    )  # fmt: skip
    try:
        handoff.server.end(transaction.id, abort=True)
    except QservRefused:
        # It may have ended while nobody listened: what it is now decides.
        if not handoff.server.transaction(transaction.id).state.is_final:
            raise
    _note(handoff, _attempt(handoff, table, batch, transaction, "aborted"))
    return True


def _check_attempts(handoff: Handoff, table: str, batch: int, reason: str) -> None:
    tried = [
        each
        for each in handoff.records.attempts(handoff.name)
        if (each.table, each.batch) == (table, batch)
    ]
    if len(tried) >= MOST_ATTEMPTS:
        raise QservStuck.for_transaction(
            table, batch, f"{len(tried)} attempts failed, last: {reason}"
        )


def _attempt(
    handoff: Handoff, table: str, batch: int, transaction: Transaction, state: str
) -> Attempt:
    number = transaction.context.get("attempt", 0)
    known = {each.transaction: each.number for each in handoff.records.attempts(handoff.name)}
    return Attempt(
        table,
        batch,
        known.get(transaction.id, int(str(number)) if number else 1),
        transaction.id,
        state,
    )


def _note(handoff: Handoff, attempt: Attempt) -> None:
    handoff.records.note_attempt(handoff.name, attempt)


def load_batch(handoff: Handoff, table: str, batch: int, wait: Callable[[], None]) -> None:
    """Load a batch, waiting in place: for commands and tests. ``wait()`` is called in between."""
    silent = 0
    while True:
        try:
            if advance_batch(handoff, table, batch) is Progress.COMMITTED:
                return
            silent = 0
        except QservUnavailable:
            silent += 1
            if silent > 20:
                raise
        wait()
