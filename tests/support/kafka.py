"""A broker that lives in the tests' process, and events as producers write them."""

from __future__ import annotations

import contextlib
import io

import fastavro
from confluent_kafka import Producer

from support.annex import BUCKET
from support.certificates import tls_before

FIELDS = [
    {"name": "url", "type": "string"},
    {"name": "generator", "type": "string"},
    {"name": "byteSize", "type": "int"},
    {"name": "checkSum", "type": "string"},
    {"name": "mimeType", "type": "string"},
    {"name": "id", "type": "string"},
]
PLAIN = {"type": "record", "name": "largeFileObjectAvailable", "fields": FIELDS}
INDEXED = PLAIN | {"fields": [{"name": "salIndex", "type": "int"}, *FIELDS]}
"""What a CSC registers of which there are several."""


def avro(key, schema=PLAIN, number=7):
    """Write an event in Confluent's form."""
    out = io.BytesIO()
    record = {
        "url": f"https://s3.example.org/{BUCKET}/{key}", "generator": "fits", "byteSize": -1,
        "checkSum": "", "mimeType": "", "id": "", "salIndex": 3,
    }  # fmt: skip
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return b"\0" + number.to_bytes(4, "big") + out.getvalue()


class MockKafka:
    """Hold the broker, and write to it."""

    def __init__(self) -> None:
        self._producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock"})
        found = self._producer.list_topics(timeout=10).brokers.values()
        self.brokers = ",".join(f"{broker.host}:{broker.port}" for broker in found)

    def send(self, topic, *values):
        for value in values:
            self._producer.produce(topic, value)
        self._producer.flush(10)

    @contextlib.contextmanager
    def over_tls(self, certificate, at=0):
        """Give the port at which the broker speaks TLS, and of which it tells its clients.

        It knows its plain port only, a number of four bytes in its answers: these are changed on the way.
        """
        (broker,) = self._producer.list_topics(timeout=10).brokers.values()

        def tell(answer, port):
            return answer.replace(broker.port.to_bytes(4), port.to_bytes(4))

        with tls_before(broker.port, certificate, tell, at) as port:
            yield port
