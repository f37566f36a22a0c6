"""A handoff in a process that dies at a chosen call: ``python -m support.qserv_mortal ORDER.json``."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from dbb.errors import QservUnavailable
from dbb.hooks.ledger import SqlLedger, open_engine
from dbb.hooks.qserv.client import QservClient
from dbb.hooks.qserv.czar import QservCzar
from dbb.hooks.qserv.records import SqlQserv
from dbb.wiring import SystemClock
from support.qserv_handoff import hand_over, make_handoff, write_inputs


class Mortal:
    """Pass calls on, and die before or after one of them."""

    left = 0
    after = False

    def __init__(self, port):
        self._port = port

    def __getattr__(self, name):
        found = getattr(self._port, name)
        if not callable(found):
            return found

        def call(*words, **named):
            Mortal.left -= 1
            if Mortal.left == 0 and not Mortal.after:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = found(*words, **named)
            if Mortal.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return call


def main(order):
    Mortal.left, Mortal.after = order["die_at"], order["after"]
    folder = Path(order["folder"])
    records = SqlQserv(
        SqlLedger(open_engine(order["ledger"]), SystemClock(), "test"), SystemClock()
    )
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
