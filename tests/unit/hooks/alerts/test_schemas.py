"""Schemas of packets from a registry: what it may answer, and when it is not believed. Each over a real socket."""

import pytest

from dbb.errors import AlertSchemaUnknown, AlertUnreadable, SchemaRegistryUnavailable
from dbb.flows import alert_doubts
from dbb.flows.alert_archiving import take_stream
from dbb.flows.deciding import Signature, release_refusal
from dbb.hooks import schema_registry as client
from dbb.hooks.alerts.packets import AvroPackets
from dbb.hooks.alerts.schemas import KeptSchemas
from dbb.hooks.schema_registry import ask_registry, place_of
from support.alerts import NIGHT, SCHEMA, TOPIC, AlertWorld, packet, schema
from support.schema_registry import schema_registry

NEW = 1102
MANY = alert_doubts.MOST_OF_A_SCHEMA


@pytest.fixture
def registry():
    with schema_registry({SCHEMA: schema()}) as found:
        yield found


@pytest.fixture
def world(registry):
    """Give an archive whose schemas come from the registry; each run is a process of its own."""

    class EachRun(AlertWorld):
        def new_run(self):
            kept = KeptSchemas(
                self.world.ledger,
                place_of(registry.url),
                lambda number: ask_registry(registry.url, number),
            )
            self.packets = AvroPackets(kept.get, kept.keep)

        def run(self, **options):
            self.new_run()
            return super().run(**options)

    made = EachRun()
    made.new_run()
    return made


def offsets(world):
    return world.alerts.rows.offsets(TOPIC)


def codes(world):
    return sorted(item.code for item in world.held())


# -- what a registry answers -----------------------------------------------------------------------


def test_a_schema_is_asked_for_once(world, registry):
    world.stream.send(*map(packet, range(5)))
    assert world.run() == {"archived": 5}
    assert registry.asked == [f"/schemas/ids/{SCHEMA}"]


def test_a_number_that_the_registry_never_gave_is_of_no_schema(registry):
    assert ask_registry(registry.url, 7) is None


@pytest.mark.parametrize(
    "fault",
    ["no-registry", "other-service", "broken", "garbage", "no-schema", "no-json-in-it", "login-page",
     "hangs"],
)  # fmt: skip
def test_what_is_no_answer_stops_the_reading_and_sets_nothing_aside(
    world, registry, fault, monkeypatch
):
    world.stream.send(*map(packet, range(3)))
    registry.fault = fault
    with monkeypatch.context() as patch:
        patch.setattr(client, "TIMEOUT_S", 0.2)
        with pytest.raises(SchemaRegistryUnavailable):
            world.run()
    assert (world.held(), offsets(world)) == ([], {})
    registry.fault = ""
    assert world.run() == {"archived": 3}


def test_nobody_answers():
    with pytest.raises(SchemaRegistryUnavailable):
        ask_registry("http://127.0.0.1:1", 7)


def test_the_password_of_an_address_is_not_told(registry):
    address = registry.url.replace("//", "//anne:secret@")
    for fault, url in (
        ("broken", address),
        ("garbage", address),
        ("", "anne:secret@nowhere:99999"),
    ):
        registry.fault = fault
        with pytest.raises(SchemaRegistryUnavailable) as caught:
            ask_registry(url, 7)
        assert "secret" not in str(caught.value)


# -- what was known is known -----------------------------------------------------------------------

FAULTS = ["emptied", "no-registry", "broken", "garbage", "other-schema", "no-avro"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_schema_that_read_a_packet_once_is_never_asked_for_again(world, registry, fault):
    world.stream.send(packet(1))
    world.run()
    registry.fault = fault
    world.stream.send(*map(packet, range(2, 60)))
    assert world.run() == {"archived": 58}
    assert (world.held(), len(registry.asked)) == ([], 1)


def test_the_numbers_of_another_registry_are_its_own(world):
    world.stream.send(packet(1))
    world.run()
    other = KeptSchemas(world.world.ledger, "elsewhere", lambda _: None)
    assert other.get(SCHEMA) is None


def test_a_schema_that_read_nothing_is_not_kept(world, registry):
    registry.fault = "other-schema"
    world.stream.send(packet(1))
    assert world.run() == {"refused": 1}
    registry.fault = ""
    world.stream.send(packet(2))
    assert world.run() == {"archived": 1}


# -- a registry that is not to be believed -----------------------------------------------------------

DOUBTED = ["emptied", "other-schema", "no-avro"]
"""Answers that a registry may give: only their number tells that it must be wrong."""


@pytest.mark.parametrize("fault", DOUBTED)
def test_many_packets_of_a_schema_that_reads_none_stop_the_reading(world, registry, fault):
    registry.fault = fault
    world.stream.send(*map(packet, range(3 * MANY)))
    for _ in range(2):
        with pytest.raises(SchemaRegistryUnavailable, match=f"{MANY} packets name schema {SCHEMA}"):
            world.run()
        assert (world.held(), offsets(world), world.alerts.rows.shards(NIGHT)) == ([], {}, [])
    registry.fault = ""
    assert world.run() == {"archived": 3 * MANY}
    assert world.held() == []


@pytest.mark.parametrize("fault", DOUBTED)
def test_without_the_brake_each_packet_would_be_set_aside(world, registry, fault, monkeypatch):
    """The planted bug: it shows that the test above would see it."""
    monkeypatch.setattr(alert_doubts, "MOST_OF_A_SCHEMA", 10**9)
    registry.fault = fault
    world.stream.send(*map(packet, range(3 * MANY)))
    assert world.run() == {"refused": 3 * MANY}
    assert len(world.held()) == 3 * MANY


def test_what_was_taken_before_a_new_schema_that_nobody_registered_stays_taken(world, registry):
    world.stream.send(*map(packet, range(4)))
    world.run()
    before = offsets(world)
    world.stream.send(*(packet(number, schema_id=NEW) for number in range(4, 4 + 2 * MANY)))
    with pytest.raises(SchemaRegistryUnavailable, match=str(NEW)):
        world.run()
    assert (offsets(world), world.held()) == (before, [])
    registry.schemas[NEW] = schema()
    assert world.run() == {"archived": 2 * MANY}


def test_a_few_packets_of_an_unknown_schema_cost_only_themselves(world):
    bad = [packet(100 + number, schema_id=NEW) for number in range(MANY - 1)]
    world.stream.send(packet(1), *bad, packet(2))
    assert world.run() == {"archived": 2, "refused": MANY - 1}
    assert set(codes(world)) == {AlertSchemaUnknown.code}
    assert world.run() == {}


def test_packets_that_each_name_another_schema_are_bad_packets(world, monkeypatch):
    monkeypatch.setattr(alert_doubts, "MOST_HELD", 10)  # they are decided ten by ten
    bad = [packet(100 + number, schema_id=5000 + number) for number in range(2 * MANY)]
    world.stream.send(*bad, packet(1))
    assert world.run() == {"refused": 2 * MANY, "archived": 1}


def test_many_broken_packets_of_a_schema_that_reads_others_are_bad_packets(world):
    broken = [packet(number)[:-3] for number in range(1, 2 * MANY)]
    world.stream.send(packet(0), *broken, partition=0)
    assert world.run() == {"archived": 1, "refused": 2 * MANY - 1}
    assert set(codes(world)) == {AlertUnreadable.code}


def test_what_a_registry_did_not_know_for_a_moment_is_archived_all_the_same(world, registry):
    first = iter([True])

    def ask(number):
        return None if next(first, False) else ask_registry(registry.url, number)

    world.packets = AvroPackets(ask)
    world.stream.send(packet(1), packet(2))
    assert take_stream(world.alerts) == {"archived": 2}
    assert world.held() == []


def test_an_operator_may_say_that_it_is_the_packets(world):
    world.stream.send(*(packet(number, schema_id=NEW) for number in range(2 * MANY)), packet(99))
    assert world.run(is_patient=False) == {"refused": 2 * MANY, "archived": 1}


def test_packets_that_are_released_too_early_do_not_hold_up_the_stream(world, registry):
    world.stream.send(*(packet(number, schema_id=NEW) for number in range(MANY)))
    world.run(is_patient=False)
    for item in world.held():
        release_refusal(world.world.backbone(), item, Signature("anne", "too early"))
    world.stream.send(packet(99))
    assert world.run() == {"archived": 1}
    assert len(world.held()) == MANY
    for item in world.held():
        release_refusal(world.world.backbone(), item, Signature("anne", "it is registered"))
    registry.schemas[NEW] = schema()
    world.run()
    assert (world.held(), world.get(3)) == ([], packet(3, schema_id=NEW))
