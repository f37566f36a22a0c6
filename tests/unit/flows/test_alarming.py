"""Alarms: each cause once, its end once, and a crash tells twice rather than never."""

from dataclasses import replace

import pytest

from dbb.errors import AlarmNotSent, BufferNearlyFull, EfdUnavailable
from dbb.flows import alarm_checks as find
from dbb.flows.alarming import Watch, look
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.gating import apply_gate
from dbb.flows.landing import land_units
from dbb.flows.policy_apply import apply_policies
from dbb.flows.policy_plan import plan_policies
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.alarms import SqlAlarms
from dbb.hooks.canary_rows import SqlCanaries
from dbb.hooks.keeping import SqlKeeping
from dbb.hooks.outages import SqlOutages
from dbb.model.alarm import Alarm
from dbb.model.calibration import CalibrationGroup, CalibrationKind
from dbb.model.endpoint import Endpoint, Role
from support.fake_clock import FixedClock
from support.fake_infrastructure import MemoryInfrastructure
from support.faults import Killed, Schedule, every_crash, faulty
from support.tiny_camera import take_exposure
from support.world import NIGHT, World, run_night


class Mailbox:
    """Keep what was sent; fail when it is told to."""

    def __init__(self, name="mail"):
        self.name = name
        self.sent = []
        self.is_broken = False

    def send(self, alarm):
        if self.is_broken:
            raise AlarmNotSent.for_channel(self.name, "no route")
        self.sent.append(alarm.subject)


class Site:
    """A ledger, a mailbox, and a cause that can be switched on and off."""

    def __init__(self, *channels):
        self.world = World()
        self.rows = SqlAlarms(self.world.ledger)
        self.channels = channels or (Mailbox(),)
        self.lasts = True

    def check(self):
        error = BufferNearlyFull.for_buffer("summit", 0.9, 10, 48)
        return [Alarm.of(error, "summit", self.world.clock.now())] if self.lasts else []

    def watch(self, rows=None, **checks):
        checks = checks or {"buffer": self.check}
        return Watch(rows or self.rows, self.world.clock, checks, self.channels, link_of)

    @property
    def sent(self):
        return self.channels[0].sent


BEGIN = FixedClock().now().replace(tzinfo=None)
GROUP = CalibrationGroup("LSSTCam", NIGHT.value, CalibrationKind.BIAS, "5001", "", (), BEGIN, BEGIN)


def link_of(alarm):
    return f"docs/operate/{alarm.code}.md"


RAISED, ENDED = "ALARM buffer-nearly-full at summit", "ended buffer-nearly-full at summit"


def test_a_cause_is_told_once_while_it_lasts_and_once_when_it_is_over():
    site = Site()
    (alarm,) = look(site.watch())
    look(site.watch())
    assert site.sent == [RAISED]
    for part in ("90 % of the buffer", "Since: 2026-", "Next: ", "See: docs/operate/buffer-nearly"):
        assert part in alarm.text
    site.lasts = False
    assert look(site.watch()) == []
    look(site.watch())
    assert site.sent == [RAISED, ENDED]
    site.lasts = True
    look(site.watch())
    assert site.sent == [RAISED, ENDED, RAISED]
    assert [each.ended_at is None for each in site.rows.newest(9)] == [True, False]


def test_a_broken_channel_costs_only_itself_and_is_tried_again():
    broken, good = Mailbox("chat"), Mailbox("mail")
    broken.is_broken = True
    site = Site(broken, good)
    with pytest.raises(AlarmNotSent):
        look(site.watch())
    assert good.sent == [RAISED]
    broken.is_broken = False
    look(site.watch())
    assert (broken.sent, good.sent) == ([RAISED], [RAISED])


def test_what_ended_before_it_could_be_told_is_not_told():
    site = Site()
    site.channels[0].is_broken = True
    with pytest.raises(AlarmNotSent):
        look(site.watch())
    site.lasts = False
    site.channels[0].is_broken = False
    look(site.watch())
    assert site.sent == []


def test_a_check_that_cannot_look_is_an_alarm_and_ends_none():
    site = Site()

    def blind():
        raise EfdUnavailable.for_query("http://efd", "refused")

    look(site.watch())
    assert [each.code for each in look(site.watch(buffer=blind))] == [
        "buffer-nearly-full", "efd-unavailable",
    ]  # fmt: skip
    assert [each.code for each in look(site.watch())] == ["buffer-nearly-full"]
    assert site.sent[-1] == "ended efd-unavailable at http://efd"


def test_the_fault_of_one_check_silences_no_other():
    site = Site()

    def faulty_check():
        raise KeyError("row")

    open_ = look(site.watch(first=faulty_check, buffer=site.check))
    assert [each.code for each in open_] == ["installation-wrong", "buffer-nearly-full"]
    assert "KeyError('row')" in open_[0].what
    assert RAISED in site.sent


def test_a_crash_anywhere_tells_twice_rather_than_never():
    made = {}

    def run(schedule):
        made["site"] = site = Site()
        both(site, schedule)

    def both(site, schedule):
        site.lasts = True
        look(site.watch(faulty(site.rows, schedule)))
        site.lasts = False
        look(site.watch(faulty(site.rows, schedule)))

    sweep = list(every_crash(run))
    assert len(sweep) > 10
    for schedule in sweep:
        with pytest.raises(Killed):
            run(schedule)
        both(made["site"], Schedule())
        sent = made["site"].sent
        assert (sent[0], sent[-1]) == (RAISED, ENDED)
        assert made["site"].rows.open_alarms() == []
        assert len(sent) <= 5


# -- what raises one -------------------------------------------------------------------------------


@pytest.fixture
def world():
    made = World()
    take_exposure(made.summit, 1)
    made.settle()
    return made


def test_an_exposure_that_lacks_at_an_endpoint_is_late_after_twenty_hours(world, monkeypatch):
    monkeypatch.setattr(world.catalog, "run_daemons", lambda: None)
    rows = SqlAlarms(world.ledger)
    run_night(world)
    world.clock.advance(19 * 3600)
    assert find.find_late(world.backbone(), rows) == []
    world.clock.advance(2 * 3600)
    (alarm,) = find.find_late(world.backbone(), rows)
    assert (alarm.code, alarm.where, alarm.link) == ("exposures-late", "frdf", "night/20261121")
    assert find_outage(world) == []


def find_outage(world):
    return find.find_outage(world.backbone(), SqlAlarms(world.ledger), SqlOutages(world.ledger))


def test_exposures_that_nobody_takes_up_are_an_outage_after_twelve_hours(world):
    receive_arrivals(world.backbone(), NIGHT)
    world.clock.advance(11 * 3600)
    assert find_outage(world) == []
    world.clock.advance(2 * 3600)
    (alarm,) = find_outage(world)
    assert (alarm.code, alarm.where) == ("production-outage", "usdf")
    assert "1 exposure waits" in alarm.what


def test_one_publication_in_the_middle_of_an_outage_ends_no_alarm(world):
    backbone = world.backbone()
    take_exposure(world.summit, 2)
    world.settle()
    units = receive_arrivals(backbone, NIGHT).work
    begun_at = world.clock.now()
    world.clock.advance(13 * 3600)
    (alarm,) = find_outage(world)
    publish(backbone, units[:1])
    world.clock.advance(1800)
    (later,) = find_outage(world)
    assert later.since_at == alarm.since_at <= begun_at
    assert later.cause == alarm.cause
    world.clock.advance(3600)
    assert [each.cause for each in find_outage(world)] == [alarm.cause]
    run_night(world)
    assert find_outage(world) == []


def test_production_that_has_gone_on_for_an_hour_ends_the_alarm_although_one_waits_on(world):
    backbone = world.backbone()
    for number in (2, 3, 4):
        take_exposure(world.summit, number)
    world.settle()
    units = receive_arrivals(backbone, NIGHT).work
    world.clock.advance(13 * 3600)
    for unit in units[:3]:
        assert len(find_outage(world)) == 1
        publish(backbone, [unit])
        world.clock.advance(1500)
    assert find_outage(world) == []


def publish(backbone, units):
    land_units(backbone, units)
    apply_gate(backbone, units, {})
    register_units(backbone, units)
    publish_units(backbone, units, "usdf")


def test_policies_that_nobody_has_applied_are_an_alarm_until_somebody_does(world):
    backbone, rucio = world.backbone(), MemoryInfrastructure(world.catalog)
    (alarm,) = find.find_unapplied_policies(backbone, {}, rucio)
    assert alarm.code == "policies-not-applied"
    assert "add subscription dbb-" in alarm.what
    plan = plan_policies(backbone, {}, rucio)
    apply_policies(backbone, {}, rucio, plan.sha256)
    assert find.find_unapplied_policies(backbone, {}, rucio) == []
    rucio.end_subscription(next(iter(rucio.subscriptions())))  # by hand
    (again,) = find.find_unapplied_policies(backbone, {}, rucio)
    assert again.cause == alarm.cause


def test_refusals_raise_one_for_a_night_and_code(world):
    for number in (2, 3):
        take_exposure(world.summit, number)
    for name in [name for name in world.summit.names if name.endswith(".fits")][-4:]:
        world.summit.put(name, b"not FITS")
    world.settle()
    run_night(world)
    (alarm,) = find.find_decisions(world.backbone())
    assert alarm.cause == f"20261121 {alarm.code}"
    assert "dbb quarantine list 20261121" in alarm.next_action


def test_a_calibration_is_late_five_minutes_before_its_time_is_over(world):
    world.calibrations.note_group(GROUP)
    late = (GROUP.ended_at - world.clock.now()).total_seconds() + 901
    world.clock.advance(late - 10)
    assert find.find_late_calibrations(world.backbone()) == []
    world.clock.advance(10)
    (alarm,) = find.find_late_calibrations(world.backbone())
    assert (alarm.code, alarm.where) == ("calibration-late", GROUP.name)


def test_a_night_that_is_done_is_never_late(world):
    run_night(world)
    world.clock.advance(400 * 3600)
    assert find.find_late(world.backbone(), SqlAlarms(world.ledger)) == []
    assert find_outage(world) == []


def test_buffers_raise_one_by_level(world):
    rows = SqlKeeping(world.ledger)
    size = sum(file.size_bytes for file in world.summit.list_files(""))
    place = Endpoint("summit", "Summit", Role.SOURCE, "", "", "", "", buffer_bytes=int(size / 0.6))
    (alarm,) = find.find_buffers(world.backbone(), rows, [place])
    assert alarm.cause == "summit filling"
    full = replace(place, buffer_bytes=int(size / 0.9))
    (alarm,) = find.find_buffers(world.backbone(), rows, [full])
    assert alarm.cause == "summit nearly full"


def test_no_canary_is_no_alarm(world):
    rows = SqlCanaries(world.ledger)
    assert find.find_stuck_canary(world.backbone(), rows) == []
