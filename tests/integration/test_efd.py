"""Asking a real InfluxDB, the server that the EFD is, for the annex's events."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import uuid

import pytest
import requests

from dbb.errors import EfdUnavailable
from dbb.flows.lfa_efd import ask_efd
from dbb.hooks.influx import PIECE_ROWS, Influx
from dbb.hooks.lfa_efd import EfdEvents
from support.annex import BUCKET, make_annex, poison, state_of
from support.influx_server import running_influx
from support.world import World

MEASUREMENT = "lsst.sal.%s.logevent_largeFileObjectAvailable"


@pytest.fixture(scope="module")
def server(tmp_path_factory, request):
    """Give a server of the tests' own, in a folder of its own."""
    with running_influx(request.config.rootpath, tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture
def influx(server):
    """Give a database of the test's own, and who asks it."""
    name = f"efd_{uuid.uuid4().hex}"
    requests.post(
        f"{server.url()}/query", data={"q": f"create database {name}"}, timeout=10
    ).raise_for_status()
    client = Influx(server.url(), name)
    yield client
    client.close()


@pytest.fixture
def world():
    return World()


@pytest.fixture
def annex(world):
    return make_annex(world)


def write(influx, csc, at, **fields):
    told = ",".join(
        f'{name}="{value}"' if isinstance(value, str) else f"{name}={value}i"
        for name, value in fields.items()
    )
    line = f"{MEASUREMENT % csc} {told} {int(at.timestamp() * 1e6)}"
    answer = requests.post(
        f"{influx.url}/write",
        params={"db": influx.database, "precision": "u"},
        data=line.encode(),
        timeout=10,
    )
    assert answer.status_code == 204, answer.text


def test_the_efd_tells_of_objects_of_every_csc_and_of_nothing_twice(world, annex, influx):
    now = world.clock.now()
    key = "DREAM:1/dream/2026/11/21/DREAM:1_2026-11-21T23:01:02.000.fits"
    hour = dt.timedelta(hours=1)
    write(influx, "DREAM", now - hour, url=f"https://s3/{BUCKET}/{key}", generator="dream")
    header = 'MTHeaderService/header/2026/11/21/x, \\"y\\".yaml'
    write(
        influx, "MTHeaderService", now - 20 * hour, url=f"https://s3/{BUCKET}/{header}",
        byteSize=12, checkSum="ab" * 16, mimeType="YAML", id="MC_O_20261121_000001",
    )  # fmt: skip
    write(influx, "FiberSpectrograph", now - 2 * hour, url="file:///tmp/x.fits")
    write(influx, "DREAM", now + hour, url=f"https://s3/{BUCKET}/later.fits")
    efd = EfdEvents(influx)
    assert ask_efd(annex, efd, annex.objects, now) == {"events": 3, "new": 2, "unusable": 1}
    assert (state_of(annex, key).csc, state_of(annex, key).source) == ("DREAM", "efd")
    found = state_of(annex, header.replace("\\", ""))
    assert (found.csc, found.declared_bytes, found.declared_md5) == (
        "MTHeaderService", 12, "ab" * 16
    )  # fmt: skip
    assert len(poison(world)) == 1
    world.clock.advance(7200)
    assert ask_efd(annex, efd, annex.objects, world.clock.now())["new"] == 1
    assert len(poison(world)) == 1


def test_an_answer_of_several_pieces_is_read_to_its_end(influx):
    lines = "\n".join(f"m v={number}i {number}" for number in range(2 * PIECE_ROWS + 1))
    requests.post(
        f"{influx.url}/write", params={"db": influx.database}, data=lines, timeout=60
    ).raise_for_status()
    pieces = list(influx.query("select v from m"))
    assert [len(piece.rows) for piece in pieces] == [PIECE_ROWS, PIECE_ROWS, 1]
    assert pieces[0].columns == ["time", "v"]
    assert pieces[2].rows == [[2 * PIECE_ROWS, 2 * PIECE_ROWS]]


@pytest.mark.parametrize("statement", ["selec", "select v from m; drop series", "show nonsense"])
def test_a_statement_that_the_server_refuses_is_an_error(influx, statement):
    with pytest.raises(EfdUnavailable):
        list(influx.query(statement))


def test_a_database_that_is_not_there_is_an_error_and_no_empty_answer(server):
    client = Influx(server.url(), "none")
    with pytest.raises(EfdUnavailable, match="database not found"):
        list(client.query("select url from m"))
    client.close()


def test_an_efd_that_is_down_is_asked_for_the_same_window_when_it_is_back(
    world, annex, influx, server
):
    now = world.clock.now()
    efd = EfdEvents(influx)
    ask_efd(annex, efd, annex.objects, now)
    write(influx, "DREAM", now + dt.timedelta(hours=1), url=f"s3://{BUCKET}/DREAM/a.fits")
    server.stop()
    world.clock.advance(3 * 24 * 3600)
    with pytest.raises(EfdUnavailable):
        ask_efd(annex, efd, annex.objects, world.clock.now())
    assert annex.objects.efd_asked_until(efd.name) == now
    server.start()
    assert ask_efd(annex, efd, annex.objects, world.clock.now())["new"] == 1


def test_an_answer_that_is_cut_off_is_an_error(influx, server):
    """Put a proxy between that hangs up after some of the answer."""
    lines = "\n".join(f"m v={number}i {number}" for number in range(3 * PIECE_ROWS))
    requests.post(
        f"{influx.url}/write", params={"db": influx.database}, data=lines, timeout=60
    ).raise_for_status()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut_off():
            near, _ = listener.accept()
            with near, socket.create_connection(("127.0.0.1", server.port())) as far:
                request = b""
                while b"chunk_size" not in request:  # the body's end may come after the head
                    request += near.recv(65536)
                far.sendall(request)
                near.sendall(far.recv(4096))

        thread = threading.Thread(target=cut_off)
        thread.start()
        client = Influx(f"http://127.0.0.1:{listener.getsockname()[1]}", influx.database)
        with pytest.raises(EfdUnavailable):
            list(client.query("select v from m"))
        client.close()
        thread.join()
