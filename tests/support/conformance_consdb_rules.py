"""What the nine rules of the Consolidated Database must find: run with fixtures ``ledger``, ``consdb``."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from dbb.flows.consdb import check_night, nights_to_check
from dbb.hooks.findings import SqlFindings
from dbb.model.consdb import Members
from dbb.model.consdb_rules import RULES, RuleSeverity, RuleState
from dbb.model.day_obs import DayObs
from dbb.model.finding import Discrepancy, FindingState
from support.consdb_night import (
    ALL,
    CAMERA,
    IMAGING,
    MEASURED,
    NIGHT,
    SCIENCE,
    deliver,
    facts,
    make_whole,
    observation,
    scalar,
    unit_of,
)
from support.fake_clock import FixedClock
from support.world import World

MINUTES = dt.timedelta(minutes=11)


def check(ledger, consdb, at=None):
    world = World()
    world.clock._now = at or world.clock.now()
    backbone = dataclasses.replace(world.backbone(), instruments={"LSSTCam": CAMERA})
    return check_night(backbone, consdb, SqlFindings(ledger), NIGHT)


def broken(ledger, consdb, at=None):
    return {
        (str(each.rule.kind), unit) for each in check(ledger, consdb, at) for unit in each.broken
    }


def test_a_whole_night_keeps_every_rule(ledger, consdb):
    make_whole(ledger, consdb)
    results = check(ledger, consdb)
    assert [each.rule for each in results] == list(RULES)
    assert {each.state for each in results} == {RuleState.HOLDS}


def lose_a_detector(ledger, consdb):  # noqa: ARG001
    with ledger.transaction() as connection:
        put_members(connection, observation(1, detectors=ALL[:-1]).detectors)


def name_another_day(ledger, consdb):  # noqa: ARG001
    with ledger.transaction() as connection:
        right = observation(1).detectors
        put_members(connection, dataclasses.replace(right, day_obs=right.day_obs - 1))


def put_members(connection, members: Members) -> None:
    """Publish rows as they are, which no flow of ours would make."""
    from dbb.hooks.consdb.records import Additions, Signature, publish

    sign = Signature(FixedClock().now(), "somebody", "by hand")
    publish(connection, Additions(members=[members], replace=True), sign)


def number_wrongly(ledger, consdb):  # noqa: ARG001
    from dbb.hooks.consdb.records import Additions, Signature, publish

    right = observation(4, img_type="test")
    record = dataclasses.replace(right.record, values={**right.record.values, "exposure_id": 77})
    members = dataclasses.replace(right.detectors, exposure_id=77)
    with ledger.transaction() as connection:
        sign = Signature(FixedClock().now(), "somebody", "by hand")
        publish(connection, Additions([record], [members]), sign)


def forget(table, seq_num):
    """Have a product's rows of an exposure gone."""

    def act(ledger, consdb):  # noqa: ARG001
        told = facts(seq_num)
        with ledger.transaction() as connection:
            gone = Members("LSSTCam", table, told.exposure_id, told.day_obs, told.seq_num, [])
            put_members(connection, gone)

    return act


BREAKS = {
    Discrepancy.CCDEXPOSURE_COMPLETENESS: (1, lose_a_detector),
    Discrepancy.EXPOSURE_ID_ENCODING: (4, number_wrongly),
    Discrepancy.CCDEXPOSURE_KEY_AGREEMENT: (1, name_another_day),
    Discrepancy.NO_GUIDER_PRODUCTS: (
        1, lambda _, consdb: deliver(consdb, "ccdexposure_quicklook", 1, [189]),
    ),
    Discrepancy.EXPOSURE_QUICKLOOK_COVERAGE: (1, forget("exposure_quicklook", 1)),
    Discrepancy.VISIT1_QUICKLOOK_COVERAGE: (2, forget("visit1_quicklook", 2)),
    Discrepancy.CCDEXPOSURE_QUICKLOOK_COVERAGE: (
        1,
        lambda _, consdb: deliver(consdb, "ccdexposure_quicklook", 1, SCIENCE, replace=True),
    ),
    Discrepancy.CCDVISIT1_QUICKLOOK_COVERAGE: (
        1,
        lambda _, consdb: deliver(consdb, "ccdvisit1_quicklook", 1, MEASURED[1:], replace=True),
    ),
    Discrepancy.NO_CALIBRATION_SCIENCE_PRODUCTS: (
        3, lambda _, consdb: deliver(consdb, "ccdvisit1_quicklook", 3, [5]),
    ),
}  # fmt: skip
"""By rule, the exposure that shall break it, and how."""


def test_every_rule_has_its_test():
    assert set(BREAKS) == {rule.kind for rule in RULES}


@pytest.mark.parametrize("kind", BREAKS, ids=str)
def test_each_rule_is_broken_by_what_it_is_about_and_by_nothing_else(ledger, consdb, kind):
    make_whole(ledger, consdb)
    seq_num, spoil = BREAKS[kind]
    spoil(ledger, consdb)
    assert broken(ledger, consdb) == {(str(kind), unit_of(seq_num))}


def test_wavefronts_need_the_science_detectors_only(ledger, consdb):
    make_whole(ledger, consdb)
    deliver(consdb, "ccdexposure_quicklook", 2, SCIENCE[1:], replace=True)
    kind = str(Discrepancy.CCDEXPOSURE_QUICKLOOK_COVERAGE)
    assert broken(ledger, consdb) == {(kind, unit_of(2))}
    # the wavefront sensors do not stand in for one that lacks
    deliver(consdb, "ccdexposure_quicklook", 2, IMAGING[1:], replace=True)
    assert broken(ledger, consdb) == {(kind, unit_of(2))}


def test_a_rule_of_what_nobody_delivers_is_not_judged_and_says_so(ledger, consdb):
    ledger.observe([observation(1)])
    states = {str(each.rule.kind): each.state for each in check(ledger, consdb)}
    silent = {kind for kind, state in states.items() if state is RuleState.NOT_DELIVERED}
    assert silent == {str(rule.kind) for rule in RULES if rule.needs}
    assert {rule.severity for rule in RULES if rule.needs} == {RuleSeverity.WARNING}


def test_what_breaks_a_rule_is_one_finding_until_it_is_mended(ledger, consdb):
    make_whole(ledger, consdb)
    lose_a_detector(ledger, consdb)
    findings, now = SqlFindings(ledger), FixedClock().now()
    for times, state in ((0, FindingState.SUSPECTED), (1, FindingState.CONFIRMED)):
        check(ledger, consdb, now + times * MINUTES)
        [finding] = findings.find()
        assert (finding.state, finding.sighting.subject) == (state, unit_of(1))
        assert finding.sighting.evidence["severity"] == "error"
    later = DayObs(20261130)
    assert nights_to_check(findings, later) == [NIGHT, later]
    # it is no comparison of stores: the night's turn for one has not come nearer
    assert scalar(ledger, "select count(*) from audit_scan") == 0
    ledger.observe([observation(1)])
    assert broken(ledger, consdb, now + 2 * MINUTES) == set()
    assert findings.find() == []
    assert nights_to_check(findings, later) == [later]
