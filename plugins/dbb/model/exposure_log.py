"""What people say of an exposure: messages with a flag; an edit is a new version."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any


class ExposureFlag(StrEnum):
    """Say what a person holds of the exposure; each member states what is then true."""

    NONE = "none"
    """The message says nothing about its use."""
    JUNK = "junk"
    """It is of no use."""
    QUESTIONABLE = "questionable"
    """Whoever uses it should look first."""


@dataclass(frozen=True)
class LogMessage:
    """Hold one version of a message.

    Parameters
    ----------
    message_id
        The same in all its versions.
    instrument, obs_id, exposure_id, day_obs, seq_num
        The exposure.
    message_text, exposure_flag, tags
        What is said.
    user_id, date_added
        By whom and when this version was (UTC).
    is_valid
        False once it was taken back.
    """

    message_id: str
    instrument: str
    obs_id: str
    exposure_id: int
    day_obs: int
    seq_num: int
    message_text: str
    exposure_flag: ExposureFlag
    tags: tuple[str, ...]
    user_id: str
    date_added: dt.datetime
    is_valid: bool = True

    @cached_property
    def sha256(self) -> str:
        """Give the hash of all it says, but for who says it and when."""
        said = [
            self.message_id, self.instrument, self.obs_id, self.message_text,
            str(self.exposure_flag), list(self.tags), self.is_valid,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Give the message as it stands in a document."""
        return {
            "message_id": self.message_id,
            "instrument": self.instrument,
            "obs_id": self.obs_id,
            "day_obs": self.day_obs,
            "seq_num": self.seq_num,
            "message_text": self.message_text,
            "exposure_flag": str(self.exposure_flag),
            "tags": list(self.tags),
            "user_id": self.user_id,
            "date_added": self.date_added.isoformat(timespec="milliseconds"),
            "is_valid": self.is_valid,
        }
