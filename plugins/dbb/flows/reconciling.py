"""Comparing what four records say of a night: the store, Rucio, Butler and the ledger.

The ledger is read before and after everything else, and only what stood still between the two
readings, and for a while before them, is judged: work that goes on meanwhile gives no alarm. What one
scan sees is suspected; it is confirmed by another one some minutes later, and closed by the first that
no longer sees it. Nothing is repaired here, nor changed anywhere but in the table of findings.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from dbb.errors import BadDayObs, Transient, UnknownEndpoint
from dbb.flows.butler_look import ButlerLook, ask_butler, know_fingerprints
from dbb.flows.news import current_nights
from dbb.flows.reconcile_butler import judge_butler
from dbb.flows.reconcile_night import Night, read_snapshot
from dbb.flows.reconcile_rucio import RucioLook, ask_rucio, judge_archive, judge_receiver
from dbb.flows.reconcile_source import Folders, judge_source, list_source
from dbb.flows.reconcile_store import Listing, judge_store, list_store
from dbb.flows.reconcile_views import Scan, Sources
from dbb.model.day_obs import DayObs
from dbb.model.finding import Aspect

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass
class _Looks:
    """Hold what was seen between the two readings of the ledger, by endpoint."""

    source: dict[str, Folders] = field(default_factory=dict)
    stores: dict[str, Listing] = field(default_factory=dict)
    rucio: dict[str, RucioLook] = field(default_factory=dict)
    butlers: dict[str, ButlerLook] = field(default_factory=dict)


def reconcile_night(
    sources: Sources,
    day_obs: DayObs,
    endpoints: Sequence[str] | None = None,
    *,
    record: bool = True,
) -> list[Scan]:
    """Compare a night at some endpoints, or at all; record what was found, unless told not to.

    Raises
    ------
    BadDayObs
        If the night is not over.
    UnknownEndpoint
        If an endpoint takes no part: a cache has datasets of its own.
    """
    if day_obs >= current_nights(sources.backbone)[0]:
        raise BadDayObs.for_open_night(day_obs)
    places = tuple(endpoints) if endpoints else sources.endpoints
    for place in places:
        if place not in sources.endpoints:
            raise UnknownEndpoint.for_no_part(place)
    before = read_snapshot(sources.backbone, day_obs)
    scans = {place: Scan(place, day_obs, before.at) for place in places}
    early = Night(sources, day_obs, before, before)
    looks = _look(early, scans)
    night = early.then(read_snapshot(sources.backbone, day_obs))
    for place, scan in scans.items():
        try:
            _judge(night, place, looks, scan)
        except Transient as error:  # a manifest that was needed; what was not judged closes nothing
            scan.silent.append(error)
        if record:
            sources.findings.record(scan)
        log.info(
            "action=reconcile day_obs=%s endpoint=%s units=%d sightings=%d unsettled=%d silent=%d",
            day_obs, place, scan.units, len(scan.sightings), len(scan.unsettled), len(scan.silent),
        )  # fmt: skip
    return list(scans.values())


def _look(night: Night, scans: dict[str, Scan]) -> _Looks:
    """List everything; a service that is silent costs its own part only."""
    looks, source = _Looks(), night.backbone.policy.source
    others = [place for place in scans if place != source]
    for place, scan in scans.items():
        scan.units = len(night.sealed)
        if place == source:
            looks.source |= _ask([scan], place, partial(list_source, night))
        else:
            looks.stores |= _ask([scan], place, partial(list_store, night, place))
    if not others:
        return looks
    rest = [scans[place] for place in others]
    for answer in _ask(rest, "", partial(ask_rucio, night, others)).values():
        looks.rucio = dict.fromkeys(others, answer)  # one answer serves all
    for known in _ask(rest, "", partial(know_fingerprints, night)).values():
        for place in others:
            asked = partial(ask_butler, night, place, known)
            looks.butlers |= _ask([scans[place]], place, asked)
    return looks


def _ask(scans: Sequence[Scan], key: str, look: Callable[[], T]) -> dict[str, T]:
    """Give the answer under a key; where there is none, say so in the scans that wanted it."""
    try:
        return {key: look()}
    except Transient as error:
        for scan in scans:
            log.warning("action=reconcile endpoint=%s silent=%s", scan.endpoint, error.code)
            scan.silent.append(error)
        return {}


def _judge(night: Night, place: str, looks: _Looks, scan: Scan) -> None:
    archive = night.backbone.policy.archive
    if place in looks.source:
        judge_source(night, looks.source[place], scan)
        scan.looked.add(Aspect.STORE)
    if place in looks.stores:
        judge_store(night, place, looks.stores[place], scan)
        scan.looked.add(Aspect.STORE)
    if place in looks.rucio:
        if place == archive:
            judge_archive(night, place, looks.rucio[place], scan)
        else:
            listing = looks.stores.get(place)
            judge_receiver(night, place, looks.rucio[place], listing, scan)
        scan.looked.add(Aspect.RUCIO)
    if place in looks.butlers:
        judge_butler(night, place, looks.butlers[place], scan)
        scan.looked.add(Aspect.BUTLER)


def choose_nights(sources: Sources, endpoint: str, recent: int, rota: int) -> list[DayObs]:
    """Choose the nights that are to be compared at an endpoint now; never one that is not over.

    Parameters
    ----------
    sources
        What is compared.
    endpoint
        Where.
    recent
        How many of the latest nights.
    rota
        How many of the others: those first whose last comparison is longest ago. Nights with
        findings that are open come in any case, so that they are confirmed or closed.
    """
    first_open = current_nights(sources.backbone)[0]
    nights = sources.findings.nights(endpoint, first_open.value)
    latest = {night.day_obs for night in nights[-recent:]} if recent else set()
    chosen = latest | {night.day_obs for night in nights if night.open}
    rest = [night for night in nights if night.day_obs not in chosen]
    rest.sort(key=lambda night: (night.scanned_at is not None, night.scanned_at, night.day_obs))
    return [DayObs(day) for day in sorted(chosen | {night.day_obs for night in rest[:rota]})]
