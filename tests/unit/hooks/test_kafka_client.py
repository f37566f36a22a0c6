"""Kafka over TLS: a broker in this process, behind a certificate of the test's own authority."""

import time

import pytest

from dbb.errors import InstallationWrong, KafkaUnavailable, SettingMissing
from dbb.hooks.alerts.stream import KafkaAlerts
from dbb.hooks.avro_events import EventDecoder
from dbb.hooks.kafka_client import Brokers, KafkaClient
from dbb.hooks.kafka_events import KafkaEvents
from dbb.hooks.lfa_events import KafkaLfaEvents
from support.annex import KEY, TOPIC, make_annex
from support.certificates import Authority
from support.kafka import PLAIN, avro
from support.world import World

LOGIN = {"USER": "dbb", "PASSWORD": "hidden"}
NOT_BELIEVED = "of no authority that is believed, of another name, or over"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Give two authorities: the first has signed the broker's certificate."""
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "ours"), Authority(folder, "theirs")


@pytest.fixture
def port(mock_kafka, authorities):
    with mock_kafka.over_tls(authorities[0].certify("127.0.0.1")) as port:
        yield port


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("dbb.hooks.alerts.stream.ASK_S", 3)


def secured(address, setting="DBB_KAFKA_", **given):
    names = {f"{setting}{name}": str(value) for name, value in given.items()}
    return Brokers.of_settings(address, names, setting)


def read_alerts(brokers):
    alerts = KafkaAlerts(brokers, TOPIC)
    end = {partition: span.high for partition, span in alerts.spans().items()}
    found = alerts.read(dict.fromkeys(end, 0), end)
    return sum(len(batch) for batch, _ in found)


def take(events):
    """Have a consumer take until it has something, or raises."""
    end = time.monotonic() + 30
    try:
        while time.monotonic() < end:
            if taken := events.take(0.2):
                return taken
    finally:
        events.close()
    return 0


def take_lfa(brokers):
    annex = make_annex(World())
    return take(KafkaLfaEvents(brokers, [TOPIC], "lfa", annex, EventDecoder({7: PLAIN})))


def take_events(brokers):
    return take(KafkaEvents(brokers, [TOPIC], "events", World().inbox))


READERS = {"alerts": read_alerts, "lfa": take_lfa, "events": take_events}


@pytest.mark.parametrize("reader", READERS)
def test_messages_come_by_tls_from_a_broker_whose_authority_is_believed(
    reader, mock_kafka, port, authorities
):
    mock_kafka.send(TOPIC, avro(KEY))
    brokers = secured(f"ssl://127.0.0.1:{port}", CA=authorities[0].file)
    assert READERS[reader](brokers) == 1


@pytest.mark.parametrize("reader", READERS)
def test_a_broker_of_another_authority_is_refused_and_said_to_be(reader, port, authorities):
    with pytest.raises(KafkaUnavailable) as refused:
        READERS[reader](secured(f"ssl://127.0.0.1:{port}", CA=authorities[1].file))
    assert refused.value.code == "kafka-unavailable"
    assert refused.value.message.startswith("There is no safe connection: the broker's certificate")
    assert NOT_BELIEVED in refused.value.message
    assert "DBB_KAFKA_CA" in refused.value.next_action
    assert "docs/reference/certificates.md" in refused.value.next_action


def test_a_broker_of_another_name_is_refused(mock_kafka, authorities):
    with (
        mock_kafka.over_tls(authorities[0].certify("kafka.example.org")) as port,
        pytest.raises(KafkaUnavailable, match=NOT_BELIEVED),
    ):
        take_lfa(secured(f"ssl://127.0.0.1:{port}", CA=authorities[0].file))


def test_without_a_file_the_authorities_of_the_machine_are_asked(port):
    with pytest.raises(KafkaUnavailable, match=NOT_BELIEVED):
        take_lfa(secured(f"ssl://127.0.0.1:{port}"))


def test_a_broker_without_tls_is_refused(mock_kafka, authorities):
    brokers = secured(f"ssl://{mock_kafka.brokers}", "DBB_ALERTS_KAFKA_", CA=authorities[0].file)
    with pytest.raises(KafkaUnavailable, match="hangs up where TLS begins") as refused:
        read_alerts(brokers)
    assert "DBB_ALERTS_KAFKA_CA" in refused.value.next_action


@pytest.mark.parametrize(
    ("content", "why"), [(None, "is not there"), ("nothing", "has no certificate")]
)
def test_a_file_of_authorities_that_is_none_is_said_before_anything_is_asked(
    content, why, tmp_path
):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    message = f"There is no safe connection: the file of authorities {why}"
    with pytest.raises(KafkaUnavailable, match=message):
        take_events(secured("ssl://127.0.0.1:1", CA=file))


def test_a_login_that_is_refused_names_its_settings_and_not_its_password(port, authorities, capfd):
    brokers = secured(f"sasl_ssl://127.0.0.1:{port}", CA=authorities[0].file, **LOGIN)
    with pytest.raises(KafkaUnavailable, match=r"does not let us in: .*SCRAM-SHA-512") as refused:
        take_lfa(brokers)
    for name in ("DBB_KAFKA_USER", "DBB_KAFKA_PASSWORD", "DBB_KAFKA_SASL"):
        assert name in refused.value.next_action
    told = capfd.readouterr().err  # the client writes of it there by itself
    assert "FAIL" in told
    assert "hidden" not in f"{refused.value} {brokers!r} {told}"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_each_mechanism_is_one_that_the_client_knows(mechanism):
    brokers = secured("SASL_SSL://a:9093,b:9093", **LOGIN, SASL=mechanism)
    assert brokers.options() == {
        "bootstrap.servers": "a:9093,b:9093",
        "security.protocol": "sasl_ssl",
        "enable.ssl.certificate.verification": True,
        "ssl.endpoint.identification.algorithm": "https",
        "sasl.mechanism": mechanism,
        "sasl.username": "dbb",
        "sasl.password": "hidden",
    }
    KafkaClient(brokers, {"group.id": "test"}).consumer.close()


def test_without_a_scheme_the_client_is_told_nothing_of_tls():
    assert secured("a:9092, b:9092").options() == {"bootstrap.servers": "a:9092,b:9092"}


@pytest.mark.parametrize(
    ("address", "given", "why"),
    [
        ("kafka://a:9093", {}, "sasl_ssl://host:port"),
        ("a:9092,ssl://b:9093", {}, "sasl_ssl://host:port"),
        ("a:9092", {"CA": "/ca.pem"}, "DBB_KAFKA_CA names an authority"),
        ("a:9092", LOGIN, "sasl_ssl:// only"),
        ("ssl://a:9093", LOGIN, "sasl_ssl:// only"),
        (
            "sasl_ssl://a:9093",
            LOGIN | {"SASL": "GSSAPI"},
            "none of SCRAM-SHA-512",
        ),
    ],
)
def test_what_contradicts_itself_stops_before_anything_is_sent(address, given, why):
    with pytest.raises(InstallationWrong, match=why) as refused:
        secured(address, **given)
    assert "hidden" not in str(refused.value)


def test_a_login_without_a_password_is_a_setting_that_is_missing():
    with pytest.raises(SettingMissing, match="DBB_KAFKA_PASSWORD"):
        secured("sasl_ssl://a:9093", USER="dbb")


def test_what_cannot_be_taken_safely_is_waited_for_and_taken_later(mock_kafka, authorities):
    """A consumer that goes on by itself outlives a certificate that is not believed."""
    world = World()
    mock_kafka.send(TOPIC, b"garbage")
    theirs, ours = (each.certify("127.0.0.1") for each in reversed(authorities))
    with mock_kafka.over_tls(theirs) as port:
        brokers = secured(f"ssl://127.0.0.1:{port}", CA=authorities[0].file)
        events = KafkaEvents(brokers, [TOPIC], "events", world.inbox)
        end = time.monotonic() + 3
        events.take_until(lambda: time.monotonic() > end)
    with mock_kafka.over_tls(ours, at=port):
        end = time.monotonic() + 40
        events.take_until(lambda: world.inbox.find("poison", "", 10) or time.monotonic() > end)
        events.close()
    assert len(world.inbox.find("poison", "", 10)) == 1
