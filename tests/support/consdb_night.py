"""A night in the Consolidated Database: exposures, products of pipelines, and what stands in its tables."""

from __future__ import annotations

import dataclasses
import json

from sqlalchemy import text

from dbb.flows.consdb_products import Product, deliver_product
from dbb.hooks.instruments import load_instruments
from dbb.model.consdb import ConsdbPublication, Observation, ccdexposures, exposure_record
from dbb.model.day_obs import DayObs
from dbb.model.exposure import Unit
from support.raw_bundles import make_facts

NIGHT = DayObs(20261121)
CAMERA = load_instruments()["LSSTCam"]
ALL = [each.id for each in CAMERA.detectors]
SCIENCE = [each.id for each in CAMERA.detectors if each.purpose == "SCIENCE"]
IMAGING = [each.id for each in CAMERA.detectors if each.purpose != "GUIDER"]
MEASURED = [*SCIENCE, 191, 195, 199, 203]
HEADER = {"AZEND": 12.5, "ELEND": 57.0, "WINDDIR": 310.0, "VIGNETTE": "NO", "EXPTIME": 29.5}


def facts(seq_num: int, img_type: str = "science", physical_filter: str = "r_57"):
    unit = Unit.parse(f"LSSTCam/{NIGHT}/MC_O_{NIGHT}_{seq_num:06d}")
    return dataclasses.replace(make_facts(unit, physical_filter), observation_type=img_type)


def unit_of(seq_num: int) -> str:
    return f"LSSTCam/{NIGHT}/MC_O_{NIGHT}_{seq_num:06d}"


def observation(seq_num: int, detectors=None, header=HEADER, **more) -> Observation:
    told = facts(seq_num, **more)
    record = exposure_record(told, CAMERA.physical_filters[told.physical_filter], header)
    members = ccdexposures(told, ALL if detectors is None else detectors)
    return Observation(unit_of(seq_num), f"{seq_num:064x}", record, members)


def deliver(consdb, table, seq_num, detectors, **options) -> ConsdbPublication:
    exposure_id = NIGHT.value * 100000 + seq_num
    key = "visit_id" if "visit1" in table else "exposure_id"
    if table.startswith("ccd"):
        rows = [{key: exposure_id, "detector": each} for each in detectors] or [{key: exposure_id}]
    else:
        rows = [{key: exposure_id}]
    lines = [json.dumps(row) for row in rows]
    return deliver_product(consdb, Product("LSSTCam", table, lines, "rows", **options))


def make_whole(ledger, consdb) -> None:
    """A science exposure, a wavefront and a bias with all products that they should have."""
    ledger.observe(
        [observation(1), observation(2, img_type="cwfs"), observation(3, img_type="bias")]
    )
    for seq_num in (1, 2, 3):
        deliver(consdb, "exposure_quicklook", seq_num, ())
        deliver(consdb, "visit1_quicklook", seq_num, ())
    deliver(consdb, "ccdexposure_quicklook", 1, IMAGING)
    deliver(consdb, "ccdexposure_quicklook", 2, SCIENCE)
    deliver(consdb, "ccdexposure_quicklook", 3, IMAGING)
    deliver(consdb, "ccdvisit1_quicklook", 1, MEASURED)


def scalar(ledger, query):
    with ledger.transaction() as connection:
        return connection.execute(text(query)).scalar_one()


def rows(ledger, query):
    with ledger.transaction() as connection:
        return [dict(row) for row in connection.execute(text(query)).mappings()]


def name_of(ledger, view, schema="cdb_lsstcam") -> str:
    return f"{schema}{'_' if ledger.engine.dialect.name == 'sqlite' else '.'}{view}"
