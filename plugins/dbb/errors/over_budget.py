"""Errors of a spent time or space: an alert, and no retry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Self

from dbb.errors.base import OverBudget


class IncompleteGroup(OverBudget):
    """Report a calibration sequence that waited its time for exposures that never came."""

    code = "incomplete-group"
    next_action = (
        "Ask the summit for the missing exposures: with them it goes on by itself. They do not "
        "exist: `dbb quarantine release ID` makes calibrations of what is there."
    )

    @classmethod
    def for_group(cls, group: str, why: str, there: int, wanted: int) -> Self:
        """Name the group, what it waits for, and how much of it is there."""
        return cls(f"{why}; {there} of {wanted} exposures are published.", group)


class IncompleteExposure(OverBudget):
    """Report an exposure that waited its time for detectors that never came."""

    code = "incomplete-exposure"
    next_action = "Ask the summit for the missing detectors; late ones are published by themselves."

    @classmethod
    def for_exposure(cls, obs_id: str, missing: int, expected: int) -> Self:
        """Name the exposure and how much of it is missing."""
        return cls(f"{missing} of {expected} detectors never arrived.", obs_id)


class RuleStuck(OverBudget):
    """Report a Rucio rule that does not come true by itself."""

    code = "rule-stuck"
    next_action = "Rucio's reason is in the message; mend it, then `dbb retry` the exposure."

    @classmethod
    def for_rule(cls, rule_id: str, reason: str) -> Self:
        """Name the rule and the reason that Rucio gives."""
        return cls(f"The replication rule is stuck: {reason}.", rule_id)


class PlanRefused(OverBudget):
    """Report a plan that is not carried out."""

    code = "plan-refused"
    next_action = "Plan again, read the plan, and apply that one."

    @classmethod
    def for_stale(cls, given: str, now: str) -> Self:
        """Name the plan that was asked for, and what it would be now."""
        return cls(f"The plan is not {given!r} any more but {now[:12]}.", "plan")

    @classmethod
    def for_too_much(cls, endpoint: str, loss: int, there: int, of: str = "units") -> Self:
        """Name the endpoint and how much of what it serves it would lose."""
        return cls(
            f"It would drop {loss:,} {of} of {there:,}, over one per cent: say --accept-large.",
            endpoint,
        )


class BufferNearlyFull(OverBudget):
    """Report a buffer that will not take files for as long as it must."""

    code = "buffer-nearly-full"
    next_action = (
        "`dbb night` of the oldest nights says what holds their files back; see the runbook."
    )

    @classmethod
    def for_buffer(
        cls, endpoint: str, used: float, hours_left: float | None, needed_h: int
    ) -> Self:
        """Name the buffer, how full it is, and how long it lasts and must last."""
        lasts = "" if hours_left is None else f", the rest lasts {hours_left:.0f} h of {needed_h} h"
        return cls(f"{100 * used:.0f} % of the buffer are used{lasts}.", endpoint)


class CacheNearlyFull(OverBudget):
    """Report a cache that is fuller than it may be, although nothing more of it may go."""

    code = "cache-nearly-full"
    next_action = "`dbb expire plan` says what is held and why: more room, or a shorter lifetime."

    @classmethod
    def for_cache(cls, endpoint: str, detail: str) -> Self:
        """Name the cache and how full it is."""
        return cls(f"The cache is too full: {detail}.", endpoint)


class CopiesLost(OverBudget):
    """Report a unit of which no good copy is left anywhere."""

    code = "copies-lost"
    next_action = (
        "Look for a copy outside the backbone (summit, tape, users); then `dbb retry` the unit."
    )

    @classmethod
    def for_unit(cls, unit: str, why: str) -> Self:
        """Name the unit and what was read."""
        return cls(f"The unit is lost: {why}.", unit)


class EfdIntervalEmpty(OverBudget):
    """Report an hour without a point of a topic that always has some."""

    code = "efd-interval-empty"
    next_action = (
        "It is looked at again for days. Was the component off? Then nothing is to be done."
    )

    @classmethod
    def for_hour(cls, cell: object) -> Self:
        """Name the topic and hour."""
        return cls("There is no point, and there should be some.", str(cell))


class LfaObjectMissing(OverBudget):
    """Report an object of the Large File Annex that was announced and never came."""

    code = "lfa-object-missing"
    next_action = "Ask its producer; it is looked for at every run, and goes through when it comes."

    @classmethod
    def for_object(cls, key: str, age: object) -> Self:
        """Name the object and how long it has been waited for."""
        return cls(f"The object was announced {age} ago and is not there.", key)


class QservStuck(OverBudget):
    """Report a transaction that does not end, or was tried too often."""

    code = "qserv-stuck"
    next_action = (
        "`dbb qserv status` shows its contributions; end it by hand, then `dbb qserv resume`."
    )

    @classmethod
    def for_transaction(cls, table: str, batch: int, reason: str) -> Self:
        """Name the batch of the table, and why no more is tried."""
        return cls(f"Batch {batch} of {table} is not loaded: {reason}.", table)


class PayloadOutOfTime(OverBudget):
    """Report an external pipeline that did not end in its time."""

    code = "payload-out-of-time"
    next_action = "The calibrations in force stay. Give it more time or cores, then clear the task."

    @classmethod
    def for_command(cls, name: str, limit_s: float, log: object) -> Self:
        """Name the payload, its limit and its log."""
        return cls(f"The payload was stopped after {limit_s:g} s; its log is {log}.", name)


class CalibrationsDiffer(OverBudget):
    """Report an endpoint that has other calibrations in force than it ought to."""

    code = "calibrations-differ"
    next_action = "`dbb calibration compare` names the endpoints and what differs."

    @classmethod
    def for_endpoint(cls, endpoint: str, verdict: str) -> Self:
        """Name the endpoint and what is wrong there."""
        return cls(f"The calibrations in force are wrong: {verdict}.", endpoint)


class DrillFailed(OverBudget):
    """Report a drill in which not everything came back right."""

    code = "drill-failed"
    next_action = (
        "`dbb drill list` names what did not come back; see the runbook before a real fire does."
    )

    @classmethod
    def for_drill(cls, what: str, units: int, wrong: Sequence[str]) -> Self:
        """Name the drill, and the first of what went wrong."""
        first = "; ".join(wrong[:3]) or "there was nothing to bring back"
        return cls(f"{len(wrong)} of {units} did not come back right: {first}.", what)


class ExportRefused(OverBudget):
    """Report an export that is not made as it was ordered."""

    code = "export-refused"
    next_action = (
        "Nothing was sent. Mend the order, or make it with what is available (`--leave-out`)."
    )

    @classmethod
    def for_unavailable(cls, name: str, number: int, first: str) -> Self:
        """Name the export, how much of it cannot go out, and the first of that."""
        return cls(f"{number} wanted datasets are not available, first of all {first}.", name)

    @classmethod
    def for_nothing(cls, name: str, *, is_increment: bool = False) -> Self:
        """Name the export that would be empty, and say whether earlier ones have all there is."""
        words = (
            "No dataset that fits the order is new."
            if is_increment
            else "No dataset fits the order."
        )
        return cls(words, name)

    @classmethod
    def for_earlier(cls, name: str, why: object) -> Self:
        """Name the earlier export on which one cannot be built, and why."""
        return cls(f"An increment cannot be built on this export: {why}.", name)

    @classmethod
    def for_other(cls, place: object) -> Self:
        """Name the place where another export is."""
        return cls("There is something else under this name.", str(place))

    @classmethod
    def for_too_much(cls, name: str, size_bytes: int, limit_bytes: int) -> Self:
        """Name the export, its size and the limit."""
        return cls(
            f"It has {size_bytes:,} bytes, and more than {limit_bytes:,} need a person's approval.",
            name,
        )

    @classmethod
    def for_gone(cls, dataset_id: str) -> Self:
        """Name a dataset that was pinned and has left the archive."""
        return cls("The dataset was pinned and is not in the repository any more.", dataset_id)


class CanaryStuck(OverBudget):
    """Report a canary that did not come through the backbone in time."""

    code = "canary-stuck"
    next_action = (
        "Look at the step that is named, and its service; `dbb canary status` shows each step."
    )

    @classmethod
    def for_step(cls, canary: str, step: str, seconds: float, limit_s: float, why: object) -> Self:
        """Name the canary, the step where it stuck, how long it took, and why."""
        return cls(f"It stuck at {step} after {seconds:.0f} of {limit_s:.0f} s: {why}.", canary)


class DrainUnfinished(OverBudget):
    """Report tasks that still run although maintenance wants them to end."""

    code = "drain-unfinished"
    next_action = "Wait and drain again, or end the tasks in Airflow: their next run goes on."

    @classmethod
    def for_tasks(cls, tasks: Sequence[str], waited_s: float) -> Self:
        """Name the first tasks, and how long they were waited for."""
        more = f" and {len(tasks) - 3} more" if len(tasks) > 3 else ""
        names = ", ".join(tasks[:3])
        return cls(f"After {waited_s:.0f} s there still run {names}{more}; nothing new is started.")


class ExposuresLate(OverBudget):
    """Report exposures that an endpoint does not serve although their time is nearly over."""

    code = "exposures-late"
    next_action = "`dbb night` of their night says what each waits for; see what is red in Airflow."

    @classmethod
    def for_endpoint(cls, endpoint: str, units: int, oldest: str, limit_h: int) -> Self:
        """Name the endpoint, how many exposures wait, the oldest, and the hours that they have."""
        are = "exposure is" if units == 1 else "exposures are"
        return cls(f"{units:,} {are} nearly {limit_h} h late, the oldest is {oldest}.", endpoint)


class ProductionOutage(OverBudget):
    """Report that nothing is published although exposures wait."""

    code = "production-outage"
    next_action = (
        "`dbb doctor` names what stands; a drained maintenance ends by `dbb maintenance resume`."
    )

    @classmethod
    def for_archive(cls, archive: str, units: int, hours: int) -> Self:
        """Name the archive, how many exposures wait, and for how many hours production has been out."""
        number = "1 exposure waits" if units == 1 else f"{units:,} exposures wait"
        return cls(f"Nothing, or too little, was published for {hours} h, and {number}.", archive)


class CalibrationLate(OverBudget):
    """Report a group of calibration exposures whose products are not in force in time."""

    code = "calibration-late"
    next_action = "`dbb calibration list` says in which step it is; the run in Airflow has its log."

    @classmethod
    def for_group(cls, group: str, seconds: float) -> Self:
        """Name the group, and the seconds since its last exposure."""
        return cls(f"{seconds:.0f} s after its last exposure it is not in force.", group)


class EfdValuesDiffer(OverBudget):
    """Report an endpoint whose values of telemetry, or exposures, are not the archive's."""

    code = "efd-values-differ"
    next_action = "`dbb efd compare` names the rows. The archive's are right: see the runbook."

    @classmethod
    def for_endpoint(cls, endpoint: str, publication_id: int, rows: Sequence[str]) -> Self:
        """Name the endpoint, the publication, and the first of what differs."""
        first = "; ".join(rows[:3])
        told = (
            f"As of publication {publication_id} {len(rows)} rows are not the archive's: {first}."
        )
        return cls(told, endpoint)

    @classmethod
    def for_archive(cls, first: int, last: int, rows: Sequence[str]) -> Self:
        """Name publications that are not what they were, and the first rows that were changed."""
        told = f"{len(rows)} rows of publications {first} to {last} are not what was published"
        return cls(f"{told}, and do not travel: {'; '.join(rows[:3])}.", "the archive's database")


class EfdValuesLate(OverBudget):
    """Report an endpoint that does not have in time what was published of telemetry and exposures."""

    code = "efd-values-late"
    next_action = "Look how far the parcels are: `dbb parcel list`; then `efd_load_…`."

    @classmethod
    def for_endpoint(cls, endpoint: str, behind: int, since: str) -> Self:
        """Name the endpoint, how many publications it lacks, and since when."""
        return cls(f"It lacks {behind} publications, the first since {since}.", endpoint)


class AlertCountsDiffer(OverBudget):
    """Report a night whose alerts are not archived as they were issued."""

    code = "alert-counts-differ"
    next_action = "Take what is missing before the deadline: `dbb alerts archive`; see the runbook."

    @classmethod
    def for_night(cls, night: str, counts: str, deadline: dt.datetime, now: dt.datetime) -> Self:
        """Name the night, its counts, and until when the stream has it."""
        left_h = (deadline - now).total_seconds() / 3600
        when = f"{deadline:%Y-%m-%d %H:%M} UTC"
        until = f"until {when}, {left_h:.0f} h more" if left_h > 0 else f"since {when} no longer"
        return cls(f"The counts differ: {counts}; the stream has the night {until}.", night)


class AlertStreamExpired(OverBudget):
    """Report alert packets that left the stream before they were archived."""

    code = "alert-stream-expired"
    next_action = "Take them from the alert database: `dbb alerts archive --from-database`."

    @classmethod
    def for_topic(cls, topic: str, messages: int) -> Self:
        """Name the topic and how many messages are gone."""
        return cls(f"{messages} messages left the stream before they were taken.", topic)

    @classmethod
    def for_new_stream(cls, topic: str) -> Self:
        """Name the topic that ends before where it was taken."""
        return cls("The topic ends before what was taken of it: it was made anew.", topic)


class ConsdbRuleBroken(OverBudget):
    """Report a night whose rows of the Consolidated Database contradict each other."""

    code = "consdb-rule-broken"
    next_action = "`dbb consdb check` names all exposures; what mends them is in the runbook."

    @classmethod
    def for_night(cls, night: str, broken: Sequence[str]) -> Self:
        """Name the night and, of each rule that is broken, how often and by what first."""
        return cls(f"Rules are broken: {'; '.join(broken)}.", night)


class FilesLate(OverBudget):
    """Report an endpoint that lacks permanent files, or objects of the Large File Annex, whose time is nearly over."""

    code = "files-late"
    next_action = "`dbb where` of the oldest says what it waits for; then `deliver_…`."

    @classmethod
    def for_endpoint(cls, endpoint: str, units: int, oldest: str, limit_h: int) -> Self:
        """Name the endpoint, how many parcels wait, and the oldest."""
        number = "1 parcel waits" if units == 1 else f"{units:,} parcels wait"
        told = f"{number}, the oldest is {oldest}: it ought to be there within {limit_h} h."
        return cls(told, endpoint)
