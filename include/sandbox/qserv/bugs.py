"""Break the contract on purpose, so that tests can show that the suite of the contract notices.

A server that is started with a bug behaves otherwise than Qserv in one thing; its tests have to fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.qserv.api import Answer, Call, Refused
from sandbox.qserv.catalog import Catalogs
from sandbox.qserv.contributions import Contributions
from sandbox.qserv.loader import Loader
from sandbox.qserv.publishing import Publishing
from sandbox.qserv.transactions import Transactions


def _careful_commits() -> None:
    """Refuse to commit a transaction with a failed contribution, as one would hope for."""
    end = Transactions.end

    def careful(self: Transactions, call: Call) -> Answer:
        infos = self._contributions(call.number())
        if call.query.get("abort") == "0" and any(info["status"] != "FINISHED" for info in infos):
            raise Refused("a contribution failed")
        return end(self, call)

    _replace(Transactions, "end", careful)


def _wandering_chunks() -> None:
    """Allocate a chunk to the next worker when it is asked for again."""
    place = Catalogs.place_chunks

    def wander(self: Catalogs, call: Call) -> Answer:
        told = place(self, call)
        workers = [each.worker for each in self.places]
        for where in told["locations"]:
            following = workers[(workers.index(where["worker"]) + 1) % len(workers)]
            name = self.of_call(call)["name"]
            self.state.update("replica", {"worker": following}, catalog=name, chunk=where["chunk"])
        return told

    _replace(Catalogs, "place_chunks", wander)


def _no_warnings() -> None:
    """Forget what MariaDB warned of."""
    load = Loader._load_data  # noqa: SLF001 - it is broken from outside

    def silent(self: Loader, info: Answer, *words: Any) -> None:
        load(self, info, *words)
        info |= {"num_warnings": 0, "warnings": []}

    _replace(Loader, "_load_data", silent)


def _kept_rows() -> None:
    """Keep the rows of what was aborted."""
    _replace(Transactions, "_drop_rows", lambda *_: None)


def _hasty_publishing() -> None:
    """Publish with transactions that are still open."""
    publish = Publishing.publish

    def hasty(self: Publishing, call: Call) -> Answer:
        self.state.update(
            "trans", {"state": "ABORTED"}, catalog=call.params["database"], state="STARTED"
        )
        return publish(self, call)

    _replace(Publishing, "publish", hasty)


def _loads_after_the_end() -> None:
    """Take rows for a transaction that has ended."""
    _replace(Contributions, "unfit", lambda *_: None)


BUGS: dict[str, Callable[[], None]] = {
    "careful commits": _careful_commits,
    "wandering chunks": _wandering_chunks,
    "no warnings": _no_warnings,
    "kept rows": _kept_rows,
    "hasty publishing": _hasty_publishing,
    "loads after the end": _loads_after_the_end,
}
"""What a server can be started with (``"bug"`` of its configuration)."""


def _replace(of: type, name: str, by: Callable[..., Any]) -> None:
    setattr(of, name, by)
