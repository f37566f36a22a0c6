"""Run the controller and its workers, each as a process that is started again when it dies."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import uvicorn

from sandbox.qserv.api import Api
from sandbox.qserv.bugs import BUGS
from sandbox.qserv.catalog import Place
from sandbox.qserv.controller import Controller
from sandbox.qserv.faults import Faults
from sandbox.qserv.state import State
from sandbox.qserv.worker import Worker

_GRACE_S = 2.0


class Supervisor:
    """Fork a process for each server: it holds no connection and no thread that would be shared.

    Parameters
    ----------
    config
        ``mysql``, ``keys``, ``controller_port``, ``worker_ports``, ``folder``, ``czar_user``; ``tls``, the
        files of a certificate and its key, if it is to speak https; ``bug``, if it is to break the
        contract on purpose.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.places = [
            Place(f"worker-{number}", port)
            for number, port in enumerate(config["worker_ports"], start=1)
        ]
        self.children: dict[int, Callable[[], None]] = {}
        if config.get("bug"):
            BUGS[config["bug"]]()

    def run(self) -> int:
        """Keep all servers running until told to stop."""
        state = State(self.config["mysql"])
        state.make()
        state.close()
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        self._fork(self._controller)
        for place in self.places:
            self._fork(partial(self._worker, place))
        while True:
            pid, _ = os.wait()
            again = self.children.pop(pid, None)
            if again is not None:
                time.sleep(0.1)
                self._fork(again)

    def _fork(self, serve: Callable[[], None]) -> None:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                serve()
            except Exception:  # noqa: BLE001 - a fork must not return into the supervisor
                traceback.print_exc()
            finally:
                os._exit(0)
        self.children[pid] = serve

    def _stop(self, *_: object) -> NoReturn:
        children = list(self.children)
        self.children.clear()
        for number, wait_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
            for pid in children:
                os.kill(pid, number)
            deadline = time.monotonic() + wait_s
            while children and time.monotonic() < deadline:
                children = [pid for pid in children if os.waitpid(pid, os.WNOHANG) == (0, 0)]
                time.sleep(0.02)
        os._exit(0)

    def _controller(self) -> None:
        state = State(self.config["mysql"])
        faults = Faults(state)
        api = Api("controller", tuple(self.config["keys"]), faults)
        Controller(state, self.places, faults, self.config["czar_user"]).register(api)
        self._serve(api, self.config["controller_port"])

    def _worker(self, place: Place) -> None:
        state = State(self.config["mysql"])
        faults = Faults(state)
        api = Api(place.worker, tuple(self.config["keys"]), faults)
        worker = Worker(state, place, faults, Path(self.config["folder"]))
        worker.register(api)
        worker.resume()
        self._serve(api, place.port)

    def _serve(self, api: Api, port: int) -> None:
        certificate, key = self.config.get("tls") or (None, None)
        uvicorn.run(
            api.asgi(),
            host="127.0.0.1",
            port=port,
            log_level="warning",
            lifespan="off",
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )


if __name__ == "__main__":
    sys.exit(Supervisor(json.loads(Path(sys.argv[1]).read_text())).run())
