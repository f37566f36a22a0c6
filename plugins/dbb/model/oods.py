"""One image in the cache near the telescope, as its journal knows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Served:
    """Hold what became of one image.

    Parameters
    ----------
    name
        Its name at the source.
    instrument, day_obs, obs_id, detector
        Which image it is.
    size_bytes, changed_at
        The source's file: its size, and when it was written (ISO 8601).
    sha256, dataset_id
        Its bytes, and the dataset that it became in the cache's own registry.
    state, code, reason
        ``copied``, ``served`` or ``refused``, and why.
    served_at
        When it was served (ISO 8601).
    merged
        The archive's answer: ``same``, ``differs``, or nothing yet.
    """

    name: str
    instrument: str
    day_obs: int
    obs_id: str
    detector: str
    size_bytes: int
    changed_at: str
    sha256: str = ""
    dataset_id: str = ""
    state: str = "refused"
    code: str = ""
    reason: str = ""
    served_at: str | None = None
    merged: str = ""

    @property
    def leaf(self) -> str:
        """Give the file's name without its folders."""
        return self.name.rpartition("/")[2]
