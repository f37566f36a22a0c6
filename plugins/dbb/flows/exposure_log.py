"""Saying something of an exposure, saying it otherwise, taking it back: each is a new version."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dbb.errors import UnknownItem
from dbb.flows.backbone import Backbone
from dbb.flows.finding import parse_unit
from dbb.model.exposure_log import ExposureFlag, LogMessage


class ExposureLog(Protocol):
    """What the flows need of the database."""

    def say(self, message: LogMessage) -> None:
        """Add a message, or a version of one."""

    def messages(
        self,
        first_day: int = 0,
        last_day: int = 99991231,
        *,
        obs_id: str = "",
        message_id: str = "",
        flag: str = "",
        with_all: bool = False,
    ) -> list[LogMessage]:
        """List messages."""


def add_message(
    backbone: Backbone,
    book: ExposureLog,
    exposure: str,
    text: str,
    author: str,
    *,
    flag: ExposureFlag = ExposureFlag.NONE,
    tags: Sequence[str] = (),
) -> LogMessage:
    """Say something of an exposure, whether its files have come or not.

    Raises
    ------
    UnsafeName, BadDayObs
        If it can be no exposure of any instrument.
    """
    unit, _ = parse_unit(backbone, exposure)
    message = LogMessage(
        message_id=uuid.uuid4().hex[:12],
        instrument=unit.instrument,
        obs_id=str(unit.obs_id),
        exposure_id=unit.obs_id.exposure_id,
        day_obs=unit.obs_id.day_obs.value,
        seq_num=unit.obs_id.seq_num,
        message_text=text,
        exposure_flag=flag,
        tags=tuple(sorted(set(tags))),
        user_id=author,
        date_added=backbone.clock.now(),
    )
    book.say(message)
    return message


@dataclass(frozen=True, slots=True)
class Edit:
    """Say what of a message becomes another; None stays as it is."""

    text: str | None = None
    flag: ExposureFlag | None = None
    tags: Sequence[str] | None = None
    is_valid: bool = True


def edit_message(
    backbone: Backbone, book: ExposureLog, message_id: str, author: str, edit: Edit
) -> LogMessage:
    """Say it otherwise, or take it back. The same again says nothing.

    Raises
    ------
    UnknownItem
        If there is no such message.
    """
    versions = book.messages(message_id=message_id, with_all=True)
    if not versions:
        raise UnknownItem.for_name("message", message_id)
    before = versions[-1]
    after = dataclasses.replace(
        before,
        message_text=before.message_text if edit.text is None else edit.text,
        exposure_flag=before.exposure_flag if edit.flag is None else edit.flag,
        tags=before.tags if edit.tags is None else tuple(sorted(set(edit.tags))),
        user_id=author,
        date_added=backbone.clock.now(),
        is_valid=edit.is_valid,
    )
    if after.sha256 == before.sha256:
        return before
    book.say(after)
    return after
