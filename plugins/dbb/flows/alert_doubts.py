"""Packets held back while it is doubtful whether they are bad, or whoever gives the schemas.

One packet with a number that nobody knows is a bad packet. Many with the same number, and none that is read by
it, are the sign of a registry that was emptied, exchanged, or that lags behind the producer: setting
them all aside would be wrong, and slow to undo. Nothing is recorded then, and the stream keeps them.
"""

from __future__ import annotations

from collections import defaultdict

from dbb.errors import SchemaRegistryUnavailable
from dbb.model.alerts import Message

MOST_OF_A_SCHEMA = 20
"""From so many packets on that name one schema, and are not read by it, it is not the packets."""

MOST_HELD = 200
"""Memory is bounded also where each packet names another number."""


class Doubts:
    """Hold packets back, by the number of the schema that they name.

    Parameters
    ----------
    is_patient
        Whether many of one number are taken for a fault of the registry; else they are bad packets.
    """

    def __init__(self, *, is_patient: bool = True) -> None:
        self._is_patient = is_patient
        self._held: dict[int, list[Message]] = defaultdict(list)

    @property
    def is_full(self) -> bool:
        """Say whether those that are held are to be decided now."""
        held = sum(map(len, self._held.values()))
        return held >= MOST_HELD or (held > 0 and not self._is_patient)

    def hold(self, number: int, message: Message) -> None:
        """Hold a packet back.

        Raises
        ------
        SchemaRegistryUnavailable
            If there are many of its number.
        """
        held = self._held[number]
        held.append(message)
        if self._is_patient and len(held) >= MOST_OF_A_SCHEMA:
            raise SchemaRegistryUnavailable.for_packets(number, len(held), held[0].place)

    def give_back(self) -> list[Message]:
        """Give what was held, and hold nothing any more."""
        held = [message for messages in self._held.values() for message in messages]
        self._held.clear()
        return held
