"""A handoff in a process that dies at a chosen call: ``python -m support.qserv_mortal ORDER.json``."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

from dbb.errors import QservUnavailable
from dbb.hooks.engine import open_engine
from dbb.hooks.ledger import SqlLedger
from dbb.hooks.qserv.client import QservClient
from dbb.hooks.qserv.czar import QservCzar
from dbb.hooks.qserv.records import SqlQserv
from dbb.wiring.base import SystemClock
from support.qserv_handoff import hand_over, make_handoff, write_inputs


class Mortal:
    """Pass calls on, and die before, within or after one of them.

    The order names the call, says which of its calls it is, and how long it takes to die within it; a
    line of ``deaths.log`` tells that it came to it.
    """

    order: ClassVar[dict[str, Any]] = {}
    left = 0

    def __init__(self, port):
        self._port = port

    def __getattr__(self, name):
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*words, **named):
            if Mortal.order["call"] in (name, "*"):
                Mortal.left -= 1
                if Mortal.left == 0:
                    return self._die(name, lambda: found(*words, **named))
            return found(*words, **named)

        return call

    def _die(self, name, call):
        how = Mortal.order["how"]
        with (Path(Mortal.order["folder"]) / "deaths.log").open("a") as log:
            log.write(f"{name} {how}\n")
        if how == "within":
            delay_s = Mortal.order["delay_s"]
            threading.Timer(delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
            call()
            time.sleep(delay_s + 60)
        if how == "after":
            call()
        os.kill(os.getpid(), signal.SIGKILL)


def main(order):
    Mortal.order, Mortal.left = order, order["nth"]
    folder = Path(order["folder"])
    records = SqlQserv(SqlLedger(open_engine(order["ledger"]), SystemClock(), "test"))
    server = QservClient(order["url"], order["key"])
    czar = QservCzar(**order["czar"])
    handoff = make_handoff(
        order["database"], Mortal(server), Mortal(records), folder / "staging", czar
    )
    object.__setattr__(handoff, "workshop", Mortal(handoff.workshop))
    inputs = write_inputs(folder, order["rows"])
    for _ in range(20):
        try:
            hand_over(handoff, *inputs, lambda: time.sleep(0.05))
        except QservUnavailable:
            continue
        return


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
