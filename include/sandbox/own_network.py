"""Run a command in a network of its own that reaches a few local ports and nothing else.

A new network namespace has nothing but its own loopback. This program listens there on the ports that
are allowed, goes back to the machine's network, and carries bytes between the two: as an endpoint's firewall
would, that lets out what its worker needs. Only root may make one, and only Linux has them.

::

    python -m sandbox.own_network --allow 5432,6379 -- airflow celery worker …
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def listen_in_new_network(ports: list[int]) -> list[socket.socket]:
    """Go into a new network, and listen there on its loopback."""
    _check(_LIBC.unshare(CLONE_NEWNET))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return [socket.create_server(("127.0.0.1", port), backlog=64) for port in ports]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # one side has gone
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _carry(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        there, back = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_pump(reader, back), _pump(there, writer))
    for each in (writer, back):
        each.close()


async def _serve(inside: list[socket.socket], child: int) -> int:
    """Carry until the child ends; give its exit code."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def reap() -> None:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid and not ended.done():
            ended.set_result(os.waitstatus_to_exitcode(status))

    loop.add_signal_handler(signal.SIGCHLD, reap)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, os.kill, child, signal.SIGTERM)
    servers = []
    for listener in inside:
        port = listener.getsockname()[1]

        async def carry(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = port
        ) -> None:
            await _carry(port, reader, writer)

        servers.append(await asyncio.start_server(carry, sock=listener))
    reap()  # it may have ended before anybody listened for that
    code = await ended
    for server in servers:
        server.close()
    return abs(code)


def main() -> int:
    """Start the command in there, and stay as the way out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--allow", required=True, help="ports of this machine's loopback: 5432,…")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    with open("/proc/self/ns/net") as outside:  # noqa: PTH123 - a handle, not a file to read
        inside = listen_in_new_network([int(port) for port in given.allow.split(",")])
        child = os.fork()
        if child == 0:
            for listener in inside:
                listener.close()
            os.execvp(command[0], command)
        _check(_LIBC.setns(outside.fileno(), CLONE_NEWNET))
    return asyncio.run(_serve(inside, child))


if __name__ == "__main__":
    sys.exit(main())
