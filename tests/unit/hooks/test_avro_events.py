"""Decoding events: by the schema's number, by trying, or by asking a registry."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbb.errors import LfaEventUnusable, PolicyUnreadable, SchemaRegistryUnavailable
from dbb.hooks.avro_events import EventDecoder
from support.annex import BUCKET
from support.kafka import INDEXED, PLAIN, avro
from support.schema_registry import schema_registry

URL = f"https://s3.example.org/{BUCKET}/k"


def url_of(decoder, data):
    return decoder.decode("topic", data)["url"]


def test_the_number_in_an_event_says_which_schema_wrote_it():
    decoder = EventDecoder({7: PLAIN, 8: INDEXED})
    assert url_of(decoder, avro("k")) == url_of(decoder, avro("k", INDEXED, 8)) == URL


def test_schemas_without_a_number_are_tried():
    decoder = EventDecoder(unnumbered=[PLAIN, INDEXED])
    assert url_of(decoder, avro("k", number=1)) == url_of(decoder, avro("k", INDEXED, 2)) == URL


def test_schemas_that_read_an_event_differently_are_not_believed():
    swapped = PLAIN | {"fields": [PLAIN["fields"][1], PLAIN["fields"][0], *PLAIN["fields"][2:]]}
    with pytest.raises(LfaEventUnusable):
        EventDecoder(unnumbered=[PLAIN, swapped]).decode("topic", avro("k"))


@pytest.mark.parametrize(
    "data",
    [avro("k", number=9), avro("k")[:-1], avro("k") + b"x", avro("k", INDEXED), b"\0", b"[1]"],
)
def test_what_no_schema_reads_to_its_end_has_its_code(data):
    with pytest.raises(LfaEventUnusable):
        EventDecoder({7: PLAIN}).decode("topic", data)


SAL = {
    "type": "record",
    "name": "sal",
    "fields": [
        {"name": "url", "type": "string"},
        {"name": "version", "type": "float"},
        {"name": "private_sndStamp", "type": "double"},
        {"name": "salIndex", "type": ["null", "long"]},
        {"name": "ok", "type": "boolean"},
        {"name": "many", "type": {"type": "array", "items": "int"}},
    ],
}


@given(st.binary(max_size=60))
def test_no_bytes_stop_the_decoder(data):
    for decoder in (EventDecoder({7: SAL}), EventDecoder(unnumbered=[SAL, PLAIN])):
        for prefix in (b"\0\0\0\0\x07", b"", b"\0\0\0\0\x07\x02a"):
            try:
                decoder.decode("topic", prefix + data)
            except LfaEventUnusable:
                continue


def test_json_needs_no_schema():
    assert EventDecoder().decode("topic", b'{"url": "x"}') == {"url": "x"}


def test_schemas_are_read_from_files(tmp_path):
    for name, schema in (("plain", PLAIN), ("indexed", INDEXED)):
        (tmp_path / name).write_text(json.dumps(schema))
    words = [f"7={tmp_path}/plain", f"{tmp_path}/indexed"]
    decoder = EventDecoder.of_files(words)
    assert url_of(decoder, avro("k")) == url_of(decoder, avro("k", INDEXED, 1234)) == URL


@pytest.mark.parametrize("text", ["", "[", '{"type": "nonsense"}', "7"])
def test_a_file_that_is_no_schema_stops_loudly(tmp_path, text):
    (tmp_path / "schema").write_text(text)
    for word in (f"{tmp_path}/schema", f"1={tmp_path}/schema", f"{tmp_path}/none"):
        with pytest.raises(PolicyUnreadable):
            EventDecoder.of_files([word])


@pytest.fixture
def registry():
    with schema_registry({8: INDEXED}) as found:
        yield found


def test_the_registry_is_asked_once_for_a_number_that_is_not_known(registry):
    decoder = EventDecoder({7: PLAIN}, registry=f"{registry.url}/")
    for _ in range(2):
        assert url_of(decoder, avro("k", INDEXED, 8)) == URL
    assert url_of(decoder, avro("k")) == URL
    assert registry.asked == ["/schemas/ids/8"]


def test_a_number_that_the_registry_does_not_know_is_of_no_use(registry):
    with pytest.raises(LfaEventUnusable):
        EventDecoder(registry=registry.url).decode("topic", avro("k", number=10))


@pytest.mark.parametrize("fault", ["no-registry", "broken", "garbage", "no-avro"])
def test_a_registry_that_does_not_answer_is_waited_for(registry, fault):
    registry.fault = fault
    with pytest.raises(SchemaRegistryUnavailable):
        EventDecoder(registry=registry.url).decode("topic", avro("k", INDEXED, 8))
    with pytest.raises(SchemaRegistryUnavailable):
        EventDecoder(registry="http://127.0.0.1:1").decode("topic", avro("k"))
