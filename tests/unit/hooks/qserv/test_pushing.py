"""A chunk file is sent by HTTP to a server that reads forms as Qserv's workers do."""

import hashlib
import io
import threading
import time

import pytest
import uvicorn
from fastapi import FastAPI, Request

from dbb.errors import DigestMismatch, QservRefused, QservUnavailable
from dbb.hooks.qserv.client import QservClient
from dbb.hooks.qserv.pushing import Form
from dbb.model.qserv import ChunkFile, Location
from dbb.ports.store import READ_BYTES
from sandbox.qserv.csv import Dialect, told_dialect
from sandbox.qserv.forms import read_form

DATA = b"".join(b"%d\t1.5\t\\N\n" % number for number in range(1_200_000))


@pytest.fixture(scope="module")
def worker():
    """Give the address of a server and what it was sent."""
    app, came = FastAPI(openapi_url=None), []

    @app.get("/meta/version")
    def version():
        return {"success": 1, "version": 55}

    @app.post("/ingest/csv")
    async def csv(request: Request):
        form = await read_form(request)
        came.append(form)
        if form.fields["table"] == "Refused":
            return {"success": 0, "error": "it is not there", "error_ext": {}}
        return {"success": 1, "contrib": {}}

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", came
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(worker):
    client = QservClient(worker[0], "the-key")
    yield client
    client.close()
    worker[1].clear()


def chunk_file(data=DATA, table="Object"):
    digest = hashlib.blake2b(data, digest_size=20).hexdigest()
    return ChunkFile(table, 7, True, 0, "c/7.txt", data.count(b"\n"), len(data), digest)


def push(client, worker, file, data=DATA):
    client.push(Location(7, "worker-1", worker[0]), 12, file, "7.txt", io.BytesIO(data))


def test_a_file_of_several_pieces_arrives_as_it_is_after_its_fields(client, worker):
    assert len(DATA) > 3 * READ_BYTES
    push(client, worker, chunk_file())
    (form,) = worker[1]
    assert form.files == [("7.txt", DATA)]
    assert form.fields["auth_key"] == "the-key"
    assert [form.fields[name] for name in ("version", "transaction_id", "table", "chunk", "overlap")] == [
        "55", "12", "Object", "7", "1"
    ]  # fmt: skip


def test_the_dialect_survives_the_form(client, worker):
    push(client, worker, chunk_file(b"1\t2\n"), b"1\t2\n")
    fields = worker[1][0].fields

    class Call:
        def option(self, name, default):
            return fields.get(name, default)

    assert Dialect.parse(told_dialect(Call())) == Dialect(b"\t", b"", b"\\", b"\n")
    assert fields["charset_name"] == "utf8mb4"


def test_a_no_is_told(client, worker):
    with pytest.raises(QservRefused, match="it is not there"):
        push(client, worker, chunk_file(b"1\n", "Refused"), b"1\n")


def test_a_file_that_changed_is_told_and_never_comes_whole(client, worker):
    with pytest.raises(DigestMismatch):
        push(client, worker, chunk_file(), DATA.replace(b"1.5", b"1.6"))
    _until(lambda: worker[1])
    (form,) = worker[1]
    assert len(form.files[0][1]) < len(DATA)


def test_of_a_sender_that_was_cut_off_the_worker_has_a_part(client, worker, monkeypatch):
    def cut_off(self, source, file, name):  # noqa: ARG001 - as the real one
        yield self._head
        yield source.read(READ_BYTES)
        raise ConnectionResetError

    monkeypatch.setattr(Form, "_give", cut_off)
    with pytest.raises(QservUnavailable):
        push(client, worker, chunk_file())
    _until(lambda: worker[1])
    (form,) = worker[1]
    ((name, data),) = form.files
    assert name == "7.txt"
    assert DATA.startswith(data)
    assert 0 < len(data) <= READ_BYTES


def _until(ask):
    deadline_s = time.monotonic() + 60
    while not ask():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
