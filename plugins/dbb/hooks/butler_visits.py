"""Visit records, made of one exposure's facts as Rubin's own visit definition makes them.

Every exposure of the sky is a visit by itself, in the visit system *one-to-one*. One that is a sequence
alone (``seq_start`` is ``seq_end``) is the same visit in *by-seq-start-end*. Of a sequence of several
snaps an exposure alone tells only its own visit; the first of them then has, as at Rubin, a 9 before
its number and ``_first`` after its name, for the plain ones belong to the visit of all snaps. That one
nobody makes here: it is left to Rubin's ``define-visits`` at the repository.
"""

from __future__ import annotations

from lsst.sphgeom import Region

from dbb.hooks.butler_records import VISIT_SYSTEM, Row, time_span
from dbb.hooks.visit_regions import Pointing, detector_corners, polygon
from dbb.model.exposure import ExposureFacts
from dbb.model.instrument import Instrument

VISIT_ELEMENTS = (
    "visit",
    "visit_definition",
    "visit_system_membership",
    "visit_detector_region",
)
"""The elements of a visit, in the order in which Butler's foreign keys allow inserting them."""

SYSTEMS = (0, VISIT_SYSTEM)
"""One-to-one, and by ``seq_start`` and ``seq_end``."""


def visit_ids(exposure_id: int) -> tuple[int, int]:
    """Give the two numbers that an exposure's own visit may have."""
    return exposure_id, int(f"9{exposure_id}")


def visit_rows(instrument: Instrument, facts: ExposureFacts) -> dict[str, list[Row]]:
    """Describe an exposure's own visit, and nothing where it is none.

    The regions are those of all detectors that the instrument has: a part of an exposure that comes
    later has the same rows.
    """
    pointing = find_pointing(facts)
    if pointing is None or instrument.focal_plane is None:
        return {}
    is_alone = facts.seq_start == facts.seq_end
    is_first = not is_alone and facts.seq_num == facts.seq_start
    number = visit_ids(facts.exposure_id)[is_first]
    visit = {"instrument": facts.instrument, "visit": number}
    corners = detector_corners(instrument.focal_plane, pointing)
    everything = polygon([corner for found in corners.values() for corner in found])
    systems = SYSTEMS if is_alone else SYSTEMS[:1]
    regions = {instrument.by_name[detector].id: polygon(at) for detector, at in corners.items()}
    return {
        "visit": [_visit_row(facts, number, "_first" if is_first else "", everything)],
        "visit_definition": [{**visit, "exposure": facts.exposure_id}],
        "visit_system_membership": [{**visit, "visit_system": system} for system in systems],
        "visit_detector_region": [
            {**visit, "detector": detector, "region": region_to_json(regions[detector])}
            for detector in sorted(regions)
        ],
    }


def find_pointing(facts: ExposureFacts) -> Pointing | None:
    """Say where an exposure looks; None where it is no visit.

    As at Rubin it needs a place on the sky and must not be known to be blind, whatever its type. One
    without an angle is none there; here it is if it is a science image, so that it can be found.
    """
    if facts.tracking_ra_deg is None or facts.tracking_dec_deg is None:
        return None
    if facts.can_see_sky is False:
        return None
    if facts.sky_angle_deg is None and facts.observation_type != "science":
        return None
    return Pointing(facts.tracking_ra_deg, facts.tracking_dec_deg, facts.sky_angle_deg)


def _visit_row(facts: ExposureFacts, number: int, ending: str, region: Region) -> Row:
    return {
        "instrument": facts.instrument,
        "id": number,
        "name": f"{facts.obs_id}{ending}",
        "physical_filter": facts.physical_filter,
        "day_obs": facts.day_obs,
        "seq_num": facts.seq_num,
        "exposure_time": facts.exposure_time_s,
        "target_name": facts.target_name,
        "observation_reason": facts.observation_reason,
        "science_program": facts.science_program,
        "azimuth": facts.azimuth_deg,
        "zenith_angle": facts.zenith_angle_deg,
        "region": region_to_json(region),
        "timespan": time_span(facts),
    }


def region_to_json(region: Region) -> str:
    """Write a region as Butler's serialized records have it."""
    return region.encode().hex()
