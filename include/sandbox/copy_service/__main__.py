"""Run the copy service: ``python -m sandbox.copy_service --allow file:///stores/a …``."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from sandbox.copy_service.copying import Copier
from sandbox.copy_service.guard import Guard
from sandbox.copy_service.http_api import CopyServer
from sandbox.copy_service.store import JobStore
from sandbox.copy_service.workers import Workers

LOG = logging.getLogger("dbb.copy")


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM; copies under way then go back into the queue."""
    given = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    guard = Guard.of(given.allow)
    given.jobs.parent.mkdir(parents=True, exist_ok=True)
    store = JobStore(given.jobs)
    workers = Workers(store, Copier(guard), workers=given.workers, per_link=given.per_link)
    # The token comes through the environment: a command line is visible to every user.
    token = os.environ.get("DBB_COPY_SERVICE_TOKEN")
    address = (given.host, given.port)
    server = CopyServer(address, store=store, workers=workers, guard=guard, token=token)
    workers.start()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, name="rest", daemon=True).start()
    LOG.info("action=serve address=%s:%d prefixes=%s", *address, ",".join(given.allow))
    ended.wait()
    server.shutdown()
    workers.end()
    store.close()
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.copy_service", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="loopback unless you know better")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--jobs", type=Path, required=True, help="the SQLite file of jobs")
    parser.add_argument("--allow", action="append", required=True, metavar="URL", help="a prefix")
    parser.add_argument("--workers", type=int, default=4, help="files copied at a time")
    parser.add_argument("--per-link", type=int, default=2, help="files at a time on one link")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
