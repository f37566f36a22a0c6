"""Judging what Qserv says of the files of a transaction: whether it may be committed, and whether it still can be.

Qserv would commit whatever is there. A file is known by its key and the worker that was told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dbb.flows.qserv_views import Serving
from dbb.model.qserv import (
    AUTOMATIC_RETRIES,
    ChunkFile,
    Contribution,
    ContributionStatus,
    Location,
)

Placed = tuple[tuple[str, int, bool, int], str]
"""A file's key, and the worker that it is for."""
Found = dict[Placed, list[Contribution]]

MOST_READINGS = 5
"""Failed readings of a file, its worker's own retries counted, after which its transaction is aborted."""


def gate(
    expected: Mapping[Placed, ChunkFile],
    found: Mapping[Placed, Sequence[Contribution]],
) -> list[str]:
    """Say what stands against a commit; nothing if every file was loaded exactly, once, everywhere.

    Parameters
    ----------
    expected
        The file for each pair of file key and worker.
    found
        The contributions for each such pair.
    """
    against = [
        f"{key} at {worker} is not expected" for key, worker in found.keys() - expected.keys()
    ]
    for (key, worker), file in expected.items():
        made = found.get((key, worker), ())
        where = f"{key[0]} chunk {key[1]}{' overlap' if key[2] else ''} at {worker}"
        if len(made) != 1:
            against.append(f"{where} is there {len(made)} times")
            continue
        (one,) = made
        if one.status is not ContributionStatus.FINISHED:
            against.append(f"{where} is {one.status}")
        elif (one.rows, one.rows_loaded) != (file.rows, file.rows):
            against.append(f"{where} has {one.rows} rows, {one.rows_loaded} loaded, of {file.rows}")
        elif one.size_bytes != file.size_bytes:
            against.append(f"{where} has {one.size_bytes} bytes of {file.size_bytes}")
        elif one.warnings:
            against.append(f"{where} was loaded with {one.warnings} warnings")
    return against


def is_running(one: Contribution) -> bool:
    """Tell whether a worker is at a file, or will be again without being asked."""
    if one.status is ContributionStatus.IN_PROGRESS:
        return not one.is_stranded
    return (
        one.status is ContributionStatus.READ_FAILED
        and not one.is_pushed
        and one.retry_allowed
        and one.retries < AUTOMATIC_RETRIES
    )


def beyond_repair(
    found: Mapping[Placed, Sequence[Contribution]],
    expected: Iterable[Placed],
) -> str:
    """Say why a transaction cannot become right any more; empty if it can."""
    strange = found.keys() - set(expected)
    if strange:
        return f"a file is there that was not sent: {min(strange)}"
    for (key, worker), made in found.items():
        where = f"{key[0]} chunk {key[1]} at {worker}"
        if len(made) > 1:
            return f"{where} is there {len(made)} times"
        status = made[0].status
        if status is ContributionStatus.READ_FAILED and made[0].retry_allowed:
            if made[0].retries >= MOST_READINGS:
                return f"{where} could not be read: {made[0].error}"
        elif status not in (ContributionStatus.FINISHED, ContributionStatus.IN_PROGRESS):
            return f"{where} is {status}: {made[0].error}"
    return ""


def lost_way(
    serving: Serving,
    found: Mapping[Placed, Sequence[Contribution]],
    expected: Mapping[Placed, tuple[ChunkFile, Location]],
) -> str:
    """Say which file did not get to its worker and cannot any more; empty if all can.

    A worker loads what it has of a file whose sender was cut off. What was sent is sent again in another
    transaction only; so is what has an address that lapsed, since a worker keeps to the one it was told.
    """
    for key, made in found.items():
        where = f"{key[0][0]} chunk {key[0][1]} at {key[1]}"
        one, file = made[0], expected[key][0]
        if one.is_stranded:
            return f"{where} was sent, and its worker was restarted"
        if one.is_pushed and one.status is ContributionStatus.READ_FAILED:
            return f"{where} was sent, and could not be read: {one.error}"
        is_done = one.status is ContributionStatus.FINISHED
        if one.is_pushed and is_done and one.size_bytes < file.size_bytes:
            return f"{where} was cut off after {one.size_bytes} of {file.size_bytes} bytes"
        if (
            one.status is ContributionStatus.READ_FAILED
            and not is_running(one)
            and serving.is_lapsed(one.url)
        ):
            return f"the address of {where} has lapsed"
    return ""
