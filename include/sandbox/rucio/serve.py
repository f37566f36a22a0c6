# ruff: noqa: PLC0415 - Rucio must be imported after its waits are removed and its tables exist
"""Serve Rucio's REST interface, run its daemons and answer the control port, in one process.

One process of 150 MB instead of thirteen, because importing Rucio costs 4 CPU seconds each time.
Run by the sandbox as ``python -m sandbox.rucio.serve SETTING`` with ``RUCIO_CONFIG`` set.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path

from sandbox.rucio.daemons import (
    Cycle,
    load_daemons,
    remove_partition_waits,
    remove_retry_waits,
)
from sandbox.rucio.setting import RucioSetting

LOG = logging.getLogger("dbb.rucio")


def main(setting_path: str) -> int:
    """Create what is missing, then serve until SIGTERM."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # Rucio warns of what its own client sends, at every other request.
    logging.getLogger().addFilter(lambda r: not str(r.msg).startswith("Booleans should only"))
    setting = RucioSetting.read(Path(setting_path))
    remove_partition_waits()

    import waitress
    from rucio.client import Client
    from rucio.common.cache import flush_memcache
    from rucio.common.config import config_get

    from sandbox.rucio.bootstrap import create_database, fill_catalogue
    from sandbox.rucio.control import ControlServer

    create_database(config_get("database", "default"))
    # memcached keys carry no database name: whatever an earlier instance left there is wrong now.
    flush_memcache()

    from rucio.web.rest.flaskapi.v1.main import application

    # Waits in its own threads only; the process ends with the main thread.
    server = waitress.create_server(
        application, host="127.0.0.1", port=setting.port, threads=8, ident="rucio"
    )
    threading.Thread(target=server.run, name="rest", daemon=True).start()
    keys = Path(setting_path).parent / "etc" / "rse-accounts.cfg"
    fill_catalogue(Client(), setting, keys)
    # An RSE expression that was empty a moment ago would stay empty for its cache time.
    flush_memcache()

    remove_retry_waits()
    cycle = Cycle(load_daemons(setting.repair_every_s), pause_s=setting.pause_s)
    control = ControlServer(setting.control_port, cycle)
    threading.Thread(target=control.serve_forever, name="control", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: cycle.end())
    LOG.warning("action=serve port=%s control=%s", setting.port, setting.control_port)
    cycle.run_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
