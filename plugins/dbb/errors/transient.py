"""Errors that time is expected to mend: tried again later, with back-off."""

from __future__ import annotations

from typing import Self

from dbb.errors.base import Transient


class StoreUnavailable(Transient):
    """Report a store that cannot be reached or refuses for the moment."""

    code = "store-unavailable"

    @classmethod
    def for_store(cls, url: str, cause: object) -> Self:
        """Name the store and the cause."""
        return cls(f"The store does not answer: {cause}.", url)


class CatalogUnavailable(Transient):
    """Report a Rucio server that cannot be reached or answers with its own failure."""

    code = "catalog-unavailable"

    @classmethod
    def for_call(cls, call: str, cause: object) -> Self:
        """Name the call to Rucio and the cause."""
        return cls(f"Rucio does not answer: {cause}.", call)


class RepositoryUnavailable(Transient):
    """Report a Butler registry that cannot be reached."""

    code = "repository-unavailable"

    @classmethod
    def for_repository(cls, repository: str, cause: object) -> Self:
        """Name the repository and the cause."""
        return cls(f"The Butler repository does not answer: {cause}.", repository)


class LedgerUnavailable(Transient):
    """Report a ledger database that cannot be reached."""

    code = "ledger-unavailable"

    @classmethod
    def for_cause(cls, cause: object, place: str = "") -> Self:
        """Name the cause; the database's address stays out of messages (it may hold a secret).

        A place is an endpoint: its database of published values has the ledger's tables, too.
        """
        which = "The database of published values" if place else "The ledger database"
        return cls(f"{which} does not answer: {cause}.", place)


class EfdUnavailable(Transient):
    """Report an EFD (InfluxDB) that cannot be reached, or whose answer is an error or is cut off."""

    code = "efd-unavailable"
    next_action = "None: the same window is asked for again. Look at the EFD if it lasts."

    @classmethod
    def for_query(cls, url: str, cause: object) -> Self:
        """Name the address and the cause."""
        return cls(f"The EFD does not answer well: {cause}.", url)


class EfdNotExtracted(Transient):
    """Report an hour of a topic that is due and was never extracted."""

    code = "efd-not-extracted"
    next_action = "None: the next run extracts it. `dbb efd status` lists what is open."

    @classmethod
    def for_hour(cls, cell: object) -> Self:
        """Name the topic and hour."""
        return cls("The hour is to be extracted.", str(cell))


class EfdLatePoints(Transient):
    """Report an hour of a topic that has other points than when it was extracted."""

    code = "efd-late-points"
    next_action = "None: the next run extracts it again; the file that is there stays."

    @classmethod
    def for_hour(cls, cell: object, archived: int, found: int) -> Self:
        """Name the topic and hour, and both numbers of points."""
        return cls(f"The source had {archived} points, and now has {found}.", str(cell))


class QservUnavailable(Transient):
    """Report a Qserv server that cannot be reached, or whose answer never came."""

    code = "qserv-unavailable"
    next_action = "None: its state is read and the step goes on. Look at Qserv if it lasts."

    @classmethod
    def for_cause(cls, request: str, cause: object) -> Self:
        """Name what was asked, and the cause."""
        return cls(f"Qserv does not answer {request}: {cause}.", request)


class AirflowUnavailable(Transient):
    """Report an Airflow that cannot be reached, or one of whose parts is not healthy."""

    code = "airflow-unavailable"
    next_action = "Look at the part's log and restart it; no work is lost meanwhile."

    @classmethod
    def for_url(cls, url: str, cause: object) -> Self:
        """Name the address and the cause."""
        return cls(f"Airflow does not answer well: {cause}.", url)


class PayloadInterrupted(Transient):
    """Report a calibration payload that was stopped from outside, not by its input."""

    code = "payload-interrupted"
    next_action = (
        "None: it is run again by itself. Look at the worker's memory if it happens often."
    )

    @classmethod
    def for_payload(cls, name: str, cause: object) -> Self:
        """Name the payload and what happened to it."""
        return cls(f"The payload was interrupted: {cause}.", name)


class AlarmNotSent(Transient):
    """Report a channel that did not take an alarm."""

    code = "alarm-not-sent"
    next_action = "None: the next look sends it. `dbb alarms list` shows what is open meanwhile."

    @classmethod
    def for_channel(cls, channel: str, cause: object) -> Self:
        """Name the channel, and what it said."""
        return cls(f"The channel did not take an alarm: {cause}.", channel)


class SchemaRegistryUnavailable(Transient):
    """Report a schema registry that does not answer, or is not to be believed."""

    code = "schema-registry-unavailable"
    next_action = (
        "Look at the registry, or have the schema registered. Nothing is set aside meanwhile, and "
        "the stream keeps its messages until its retention ends."
    )

    @classmethod
    def for_call(cls, url: str, cause: object) -> Self:
        """Name what was asked, and the cause."""
        return cls(f"The schema registry does not answer well: {cause}.", url)

    @classmethod
    def for_packets(cls, number: int, packets: int, place: str) -> Self:
        """Name the schema, how many packets name it, and the first of them."""
        return cls(f"{packets} packets name schema {number}, and none is read by it.", place)


class KafkaUnavailable(Transient):
    """Report Kafka's brokers that cannot be reached, or do not let us in."""

    code = "kafka-unavailable"
    next_action = (
        "None: it is tried again by itself. Look at the brokers if it lasts; they keep their "
        "messages until their retention ends."
    )

    @classmethod
    def for_call(cls, servers: str, cause: object) -> Self:
        """Name the brokers and the cause."""
        return cls(f"Kafka does not answer: {cause}.", servers)

    @classmethod
    def for_login(cls, servers: str, cause: object, setting: str) -> Self:
        """Name the brokers, what they said, and what the names of the settings of the login begin with."""
        todo = f"Mend {setting}USER, {setting}PASSWORD or {setting}SASL: it goes on by itself."
        return cls(f"Kafka does not let us in: {cause}.", servers, todo)
