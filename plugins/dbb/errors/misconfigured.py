"""Errors of the installation: everything that needs it stops loudly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Self

from dbb.errors.base import Misconfigured


class SettingMissing(Misconfigured):
    """Report a setting that has no value."""

    code = "setting-missing"

    @classmethod
    def for_setting(cls, name: str) -> Self:
        """Name the setting."""
        return cls("The setting has no value.", name)


class BadDayObs(Misconfigured):
    """Report text that is no observing day."""

    code = "bad-day-obs"
    next_action = "Give the night as YYYYMMDD, for example 20261121."

    @classmethod
    def for_value(cls, value: object) -> Self:
        """Show the value."""
        return cls(f"{str(value)[:40]!a} is no observing day.")

    @classmethod
    def for_open_night(cls, day_obs: object) -> Self:
        """Name a night that is not over, and so is not compared."""
        return cls(f"The night {day_obs} is not over: it is compared from an hour after its end.")


class UnknownItem(Misconfigured):
    """Report a request for an exposure or refusal that the ledger does not know."""

    code = "unknown-item"
    next_action = "`dbb night` lists the exposures, `dbb quarantine list --all` the refusals."

    @classmethod
    def for_name(cls, kind: str, name: str) -> Self:
        """Name the kind of item and the item."""
        return cls(f"The ledger knows no {kind} {name[:80]!a}.")


class PoliciesNotApplied(Misconfigured):
    """Report policies that say something else than Rucio was told."""

    code = "policies-not-applied"
    next_action = "`dbb policy plan` shows all of it, `dbb policy apply` does it."

    @classmethod
    def for_changes(cls, changes: Sequence[str]) -> Self:
        """Name the first changes."""
        more = f" and {len(changes) - 3:,} more" if len(changes) > 3 else ""
        return cls(f"Changes of the policies wait to be applied: {', '.join(changes[:3])}{more}.")


class DecisionImpossible(Misconfigured):
    """Report an operator's decision that cannot be carried out as things are."""

    code = "decision-impossible"
    next_action = "Look at it again with `dbb quarantine show`; nothing was changed."

    @classmethod
    def for_refusal(cls, refusal_id: str, why: str) -> Self:
        """Name the refusal and what stands in the way."""
        return cls(f"The decision cannot be carried out: {why}.", refusal_id)


class PolicyUnreadable(Misconfigured):
    """Report an endpoint, policy or instrument file that cannot be used."""

    code = "policy-unreadable"

    @classmethod
    def for_file(cls, path: str, why: object) -> Self:
        """Name the file and the fault."""
        return cls(f"The file cannot be used: {why}.", path)


class QservUnfit(Misconfigured):
    """Report a Qserv that cannot take the release as it is set up."""

    code = "qserv-unfit"
    next_action = "Compare Qserv's version, families and databases with the plan: `dbb qserv plan`."

    @classmethod
    def for_reason(cls, where: str, reason: str) -> Self:
        """Name the server or database, and what does not fit."""
        return cls(f"{reason}.", where)


class UnknownEndpoint(Misconfigured):
    """Report an endpoint that no file describes."""

    code = "unknown-endpoint"

    @classmethod
    def for_name(cls, name: str) -> Self:
        """Name the endpoint."""
        return cls(f"No endpoint is called {name[:40]!a}.", "include/endpoints")

    @classmethod
    def for_no_part(cls, name: str) -> Self:
        """Name an endpoint that exists and is not compared with others."""
        return cls(f"{name[:40]!a} takes no part: a cache has datasets of its own.", name)


class ForbiddenTransition(Misconfigured):
    """Report an attempt to move a delivery between states that are not neighbours."""

    code = "forbidden-transition"
    next_action = "This is a fault of the program: report it with the log."

    @classmethod
    def for_states(cls, old: str, new: str) -> Self:
        """Name both states."""
        return cls(f"A delivery never goes from {old} to {new}.")


class SchemaOutOfDate(Misconfigured):
    """Report a ledger whose schema is not the one that the program knows."""

    code = "schema-out-of-date"
    next_action = "Run `dbb ledger migrate` with this version of the program."

    @classmethod
    def for_versions(cls, found: AbstractSet[int], wanted: AbstractSet[int]) -> Self:
        """Name the migrations that one of them has and the other has not."""
        missing = ", ".join(map(str, sorted(wanted - found))) or "none"
        unknown = ", ".join(map(str, sorted(found - wanted))) or "none"
        return cls(f"The ledger lacks migrations: {missing}; it has unknown ones: {unknown}.")


class InstallationWrong(Misconfigured):
    """Report a package, clock or repository that is not what the program needs."""

    code = "installation-wrong"
    next_action = "Install what the lock says, or mend what is named; then `dbb doctor` again."

    @classmethod
    def for_part(cls, part: str, why: str, next_action: str = "") -> Self:
        """Name the part of the installation, what is wrong with it and, where that is known, what mends it."""
        return cls(f"The installation is wrong: {why}.", part, next_action)


class EfdConfigWrong(Misconfigured):
    """Report a file that says what is made of telemetry, and cannot be carried out."""

    code = "efd-config-wrong"
    next_action = "Mend the named line of the file."

    @classmethod
    def for_line(cls, file: str, line: int, why: str) -> Self:
        """Name the file, the line and the fault."""
        return cls(f"The configuration cannot be used: {why}.", f"{file}:{line}")


class NoReadUrl(Misconfigured):
    """Report that a store gives no addresses with which others could read a file."""

    code = "no-read-url"
    next_action = "Choose a copy on S3 (`dbb where`), and at most a week."

    @classmethod
    def for_store(cls, url: str, why: str) -> Self:
        """Name the store and what it lacks."""
        return cls(f"The store gives no address to read from: {why}.", url)


class NotScratch(Misconfigured):
    """Refuse to wipe a place that is not declared and marked as scratch."""

    code = "not-scratch"
    next_action = "Name an endpoint whose file says `role: scratch`, in a place of its own."

    @classmethod
    def for_endpoint(cls, name: str, why: str) -> Self:
        """Name the endpoint and what speaks against it."""
        return cls(f"It is not wiped: {why}.", name)


class BackupUnusable(Misconfigured):
    """Report a backup of the database that cannot be restored as it is."""

    code = "backup-unusable"
    next_action = "Read what it said: damage needs a full backup now (`dbb backup full`)."

    @classmethod
    def for_answer(cls, command: str, answer: str) -> Self:
        """Name pgBackRest's command and what it said."""
        return cls(f"pgBackRest {command}: {answer}.", "backup")


class SigningFailed(Misconfigured):
    """Report an export that cannot be signed."""

    code = "signing-failed"
    next_action = (
        "Install OpenSSH's ssh-keygen, and give an Ed25519 key without passphrase; then again."
    )

    @classmethod
    def for_key(cls, key: object, why: object) -> Self:
        """Name the key's file, and what ssh-keygen says."""
        return cls(f"The export cannot be signed: {why}.", str(key))


class AirflowRefused(Misconfigured):
    """Report what Airflow will not do for us: a wrong login, a missing role, a wrong request."""

    code = "airflow-refused"
    next_action = (
        "Give DBB_AIRFLOW_USER the role Op and its right password; the message says what was asked."
    )

    @classmethod
    def for_request(cls, request: str, answer: object) -> Self:
        """Name the request, and Airflow's answer."""
        return cls(f"Airflow refuses: {answer}.", request)


class ViewsRefused(Misconfigured):
    """Report a database that does not let the views of an instrument be made."""

    code = "views-refused"
    next_action = "Mend what the database names, then `dbb consdb views`; see the runbook."

    @classmethod
    def for_views(cls, place: str, why: object) -> Self:
        """Name the schema of the views, and what the database says."""
        told = " ".join(str(why).split())
        return cls(f"The database refuses its views: {told}.", place)


class UnknownParameter(Misconfigured):
    """Report keys of a run's configuration that nobody reads, such as a misspelt ``day_obs``."""

    code = "unknown-parameter"
    next_action = "Start the run again with the DAG's own parameters; its page lists them."

    @classmethod
    def for_keys(cls, dag_id: str, keys: Iterable[object]) -> Self:
        """Name the DAG and the keys."""
        told = ", ".join(f"{str(key)[:40]!a}" for key in keys)
        return cls(f"The run's configuration has keys that are no parameters: {told}.", dag_id)
