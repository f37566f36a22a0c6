"""The inbox: events are hints, kept before they are acknowledged, and hold up nobody."""

import json
import random
import threading
import urllib.error
import urllib.request

import pytest

from dbb.errors import LedgerUnavailable
from dbb.flows.arrivals import receive_arrivals
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.inbox import keep_events, take_hints
from dbb.flows.landing import land_units
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.hooks.hermes_receiver import HermesReceiver
from dbb.model.delivery import State
from dbb.model.event import EventState, read_event
from support.tiny_camera import take_exposure
from support.world import NIGHT, World

NAME = "LSSTCam/20261121/MC_O_20261121_000001/MC_O_20261121_000001.zip"


def arrival(name=NAME, rse="FRDF", request="1", **more):
    payload = {"request-id": request, "scope": "raw", "name": name, "dst-rse": rse, **more}
    return {"event_type": "transfer-done", "payload": payload, "created_at": "2026-11-22 01:02:03"}


def data(document):
    return json.dumps(document).encode()


@pytest.fixture
def world():
    return World()


# -- reading an event ------------------------------------------------------------------------------


def test_an_arrival_names_its_file_its_place_and_its_exposure():
    event = read_event(data(arrival()), "hermes")
    assert (event.rse, event.scope, event.name) == ("FRDF", "raw", NAME)
    assert event.unit == "LSSTCam/20261121/MC_O_20261121_000001"
    assert event.state is EventState.NEW


def test_rubins_kafka_shape_is_the_same_event():
    hermes = arrival()
    kafka = {**hermes["payload"], "rubin_butler": "zip_file", "rubin_sidecar": ""}
    assert read_event(data(kafka), "kafka").event_id == read_event(data(hermes), "hermes").event_id


def test_a_parcels_file_is_known_by_its_rucio_dataset():
    event = read_event(
        data(arrival("x/y.parq", scope="products", dataset="Dataset/products/20261121/coadds-1")),
        "hermes",
    )
    assert event.unit == "products/20261121/coadds-1"


@pytest.mark.parametrize("name", ["x", "../../etc/passwd", "LSSTCam/20261399/a/b.zip"])
def test_a_name_that_tells_nothing_is_kept_all_the_same(name):
    event = read_event(data(arrival(name)), "hermes")
    assert (event.unit, event.state) == ("", EventState.NEW)


def test_other_events_are_none_of_our_business():
    assert read_event(data({"event_type": "deletion-done", "payload": {}}), "hermes") is None


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'"x"',
        b"{}",
        b'{"event_type": "transfer-done"}',
        b'{"event_type": "transfer-done", "payload": []}',
        b'{"event_type": "transfer-done", "payload": {"scope": "raw"}}',
        b'{"event_type": 7, "payload": {}}',
        data(arrival(name="a\0b")),
        data(arrival(rse="")),
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b"[" * 1000,
        b"x" * 300_000,
    ],
)
def test_what_cannot_be_understood_is_kept_as_poison_with_its_code(world, message):
    assert keep_events(world.inbox, [message, data(arrival())], "hermes")["poison"] == 1
    (poison,) = world.inbox.find("poison", "", 10)
    assert poison.code == "poison-event"
    assert poison.reason
    assert len(poison.payload) <= 4096
    assert len(world.inbox.fresh("FRDF", 10)) == 1  # the stream goes on


# -- keeping events --------------------------------------------------------------------------------


def test_an_event_that_comes_twice_is_one(world):
    messages = [data(arrival()), data(arrival(request="2")), data(arrival())]
    assert keep_events(world.inbox, messages, "hermes")["kept"] == 2
    assert keep_events(world.inbox, messages, "kafka FRDF-raw")["kept"] == 0


def test_an_event_that_was_dealt_with_does_not_come_back(world):
    keep_events(world.inbox, [data(arrival())], "hermes")
    units, events = take_hints(world.backbone(), "frdf")
    assert units == ["LSSTCam/20261121/MC_O_20261121_000001"]
    world.inbox.settle(events)
    keep_events(world.inbox, [data(arrival())], "hermes")
    assert take_hints(world.backbone(), "frdf") == ([], [])
    assert world.inbox.replay(events) == 1
    assert take_hints(world.backbone(), "frdf")[0] == units


def test_old_events_are_forgotten_and_new_ones_are_not(world):
    keep_events(world.inbox, [data(arrival(request=str(n))) for n in range(3)], "hermes")
    world.inbox.settle([event.event_id for event in world.inbox.fresh("FRDF", 2)])
    world.clock.advance(86400)
    assert world.inbox.prune(world.clock.now()) == 2
    assert len(world.inbox.fresh("FRDF", 10)) == 1


# -- the receiver ----------------------------------------------------------------------------------


@pytest.fixture
def receiver(tmp_path):
    world = World(f"sqlite:///{tmp_path}/ledger.db")
    server = HermesReceiver(("127.0.0.1", 0), world.inbox, token="secret")  # noqa: S106
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def post(server, body, token="secret"):  # noqa: S107
    url = f"http://127.0.0.1:{server.server_address[1]}/_bulk"
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


BATCH = b'{"index":{}}\n' + data(arrival()) + b'\n{"index":{}}\nnonsense\n'


def test_a_batch_is_answered_when_it_is_kept_poison_and_all(receiver):
    assert post(receiver, BATCH) == 200
    assert len(receiver.inbox.fresh("FRDF", 10)) == 1
    assert len(receiver.inbox.find("poison", "", 10)) == 1


def test_a_batch_that_cannot_be_kept_is_not_acknowledged(receiver, monkeypatch):
    def down(_events):
        raise LedgerUnavailable.for_cause("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(receiver.inbox, "store", down)
        assert post(receiver, BATCH) == 503
    assert post(receiver, BATCH) == 200


def test_a_stranger_is_refused(receiver):
    assert post(receiver, BATCH, token="guess") == 401  # noqa: S106
    assert receiver.inbox.find("", "", 10) == []


# -- 96 hours --------------------------------------------------------------------------------------


def test_after_96_hours_without_a_receiver_everything_is_published_within_15_minutes(world):
    """Events were lost, doubled, shuffled and poisoned meanwhile; the sweep finds what none told."""
    rng = random.Random(7)  # noqa: S311 - reproducible on purpose
    units, kept_back = [], []
    for hour in range(96):
        unit = take_exposure(world.summit, hour + 1)
        world.sky.touched[unit.rpartition("/")[2]] = frozenset({"uk"} if hour % 3 else ())
        units.append(unit)
        world.clock.advance(3600)
        run_night_without_receivers(world)
        for _ in range(2):
            world.catalog.run_daemons()
        kept_back += [data(arrival(f"{n}", rse, f"{hour}-{rse}-{n}")) for rse, n in came(unit)]
    told = [message for message in kept_back if rng.random() >= 0.2]
    told += rng.sample(told, len(told) // 5)
    told += [b"poison %d" % number for number in range(9)]
    rng.shuffle(told)
    deadline = world.clock.now().timestamp() + 900
    while told:
        batch, told = told[:50], told[50:]
        keep_events(world.inbox, batch, "hermes")
        deliver(world, hinted=True)
    for _ in range(3):  # three of the clock's sweeps
        world.clock.advance(240)
        world.catalog.run_daemons()
        deliver(world, hinted=False)
    assert world.clock.now().timestamp() <= deadline
    for unit in units:
        places = {place for name, place in world.ledger.deliveries([unit]) if name == unit}
        for place in places - {"summit", "usdf"}:
            assert world.state(unit, place) is State.PUBLISHED
            steps = [e.new_state for e in world.ledger.events(unit) if e.endpoint == place]
            assert steps.count(State.PUBLISHED) == 1
    poison = world.inbox.find("poison", "", 100)
    assert len(poison) == 9
    assert {event.code for event in poison} == {"poison-event"}


def came(unit):
    folder, stem = unit, unit.rpartition("/")[2]
    for rse in ("FRDF", "UKDF"):
        for ending in (".zip", ".manifest.json"):
            yield rse, f"{folder}/{stem}{ending}"


def run_night_without_receivers(world):
    backbone = world.backbone()
    work = receive_arrivals(backbone, NIGHT).work
    land_units(backbone, work)
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, work)], {})
    register_units(backbone, work)
    publish_units(backbone, work, "usdf")


def deliver(world, *, hinted):
    backbone = world.backbone()
    for endpoint in ("frdf", "ukdf"):
        units, events = take_hints(backbone, endpoint)
        if hinted and not units:
            continue
        look = look_for_copies(backbone, endpoint, units if hinted else None)
        backbone.inbox.settle(events)
        publish_units(backbone, look.work, endpoint)
