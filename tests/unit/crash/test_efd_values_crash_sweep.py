"""Kill the transformation, the sending and the loading of publications at every operation; look; run again.

The sweep is run on the flow as it is, then on ones with a planted bug: it must turn red.
"""

import functools

import pytest

from dbb.flows import efd_intervals, efd_replicating
from dbb.flows.efd_replicating import load_publications
from dbb.hooks.consdb.database import SqlConsdb
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.publications.files import SqlEndpoint
from dbb.hooks.publications.hashes import SqlHashes
from dbb.model.consdb import Observation, ccdexposures, exposure_record
from support import values_world
from support.faults import Killed, every_crash, faulty
from support.values_world import CONFIG, ValuesWorld, exposure
from support.world import World

NIGHT = 20261121


def new_world():
    """Give an hour and its look-back, archived, with an exposure, and a second endpoint's database."""
    made = ValuesWorld(World())
    made.telemetry(2, step_s=15)
    made.expose(exposure(1, 1), exposure(2, 1, 300))
    made.at(2)
    made.extract(0, 2)
    made.elsewhere = SqlLedger(open_engine("sqlite://"), made.world.clock, "test")
    made.elsewhere.migrate()
    made.world.ledger.observe([observation(1), observation(2)])
    return made


def observation(seq_num):
    """Give what is said of an exposure, as the raw flow publishes it."""
    told = exposure(seq_num, 1)
    record = exposure_record(told, "r", {})
    return Observation(f"LATISS/{seq_num}", f"{seq_num:064}", record, ccdexposures(told, [0]))


def run(made, schedule=None):
    """Do what a run of the DAG does after the hours are archived."""

    def port(real):
        return real if schedule is None else faulty(real, schedule)

    done = made.transform(schedule=schedule)
    assert isinstance(done, dict), done
    files = made.send(schedule)
    target = port(SqlEndpoint(made.elsewhere))
    load_publications(files, "frdf", made.world.backbone(schedule).store("frdf"), target)


def look(made):
    """Look as a reader does: what is published is whole, here and there."""
    wrong = []
    for ledger in (made.world.ledger, made.elsewhere):
        values = SqlPublished(ledger).values("LATISS", NIGHT)
        if values and [set(each) for each in values.values()] != [{"", "azimuths"}] * 2:
            wrong.append(f"half of an interval is seen: {values}")
        counts = [row.versions for row in SqlConsdb(ledger).digests(NIGHT, NIGHT)]
        if counts not in ([], [2, 2]):
            wrong.append(f"half of a publication of exposures is seen: {counts}")
    return wrong


def check_end(made):
    wrong = look(made)
    if made.intervals() != {1: ("published", "")}:
        wrong.append(f"the intervals are {made.intervals()}")
    here, there = (SqlHashes(each) for each in (made.world.ledger, made.elsewhere))
    if len(here.days(2)) != 3 or here.days(2) != there.days(2):
        wrong.append(f"the endpoint has {there.days(2)}, the archive {here.days(2)}")
    if made.published.last() != 2:
        wrong.append(f"{made.published.last()} publications")
    if made.transform() != {}:
        wrong.append("a run more finds something to do")
    return wrong


def sweep():
    def count(schedule):
        run(new_world(), schedule)

    for schedule in every_crash(count):
        made = new_world()
        with pytest.raises(Killed):
            run(made, schedule)
        for store in made.world.stores.values():
            store.crash()
        wrong = look(made)
        run(made)
        wrong += check_end(made)
        if wrong:
            return [f"{schedule}: {fault}" for fault in wrong]
    return []


def test_killed_anywhere_the_next_run_ends_well():
    assert CONFIG.arrays
    assert sweep() == []


def test_the_sweep_is_red_where_an_interval_counts_as_published_too_early(monkeypatch):
    make = efd_intervals._make

    @functools.wraps(make)
    def too_early(ports, interval, accept, counts):
        ports.intervals.note(
            efd_intervals.replace(interval, state=efd_intervals.IntervalState.PUBLISHED)
        )
        return make(ports, interval, accept, counts)

    monkeypatch.setattr(efd_intervals, "_make", too_early)
    assert sweep() != []


def test_the_sweep_is_red_where_a_file_is_noted_before_it_is_written(monkeypatch):
    def too_early(files, store):
        for file in files.unwritten():
            data = files.write(file)
            files.note(file, efd_replicating.digest_bytes(data))
            with store.create(f"files/{file.name}") as writer:
                writer.write(data)

    monkeypatch.setattr(values_world, "write_publications", too_early)
    assert sweep() != []
