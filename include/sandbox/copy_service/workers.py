"""Copy files in parallel, within the limits of each link."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

from sandbox.copy_service.copying import DESTINATION_EXISTS, Copier, CopyOrder
from sandbox.copy_service.errors import CopyFailed, Interrupted
from sandbox.copy_service.states import State
from sandbox.copy_service.store import JobStore

LOG = logging.getLogger("dbb.copy")

# How long an idle worker sleeps at most; a submitted job wakes it at once.
_IDLE_S = 1.0


class Workers:
    """Take files from the store until told to end."""

    def __init__(self, store: JobStore, copier: Copier, *, workers: int, per_link: int) -> None:
        self._store = store
        self._copier = copier
        self._per_link = per_link
        self._moving: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name=f"copy-{n}", daemon=True)
            for n in range(workers)
        ]

    def start(self) -> None:
        """Queue again what an earlier run left in mid-copy, then begin."""
        if recovered := self._store.recover():
            LOG.warning("action=recover files=%d reason=left in mid-copy", recovered)
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Tell idle workers that there may be something to do."""
        with self._changed:
            self._changed.notify_all()

    def end(self, wait_s: float = 10) -> None:
        """Interrupt copies under way; they are queued again for the next run."""
        self._ending.set()
        self.wake()
        for thread in self._threads:
            thread.join(wait_s)

    def _run(self) -> None:
        while not self._ending.is_set():
            order = self._take()
            if order is None:
                with self._changed:
                    self._changed.wait(_IDLE_S)
                continue
            try:
                self._copy(order)
            finally:
                with self._changed:
                    self._moving[order.link] -= 1
                    self._changed.notify_all()

    def _take(self) -> CopyOrder | None:
        with self._changed:
            saturated = [link for link, n in self._moving.items() if n >= self._per_link]
            order = self._store.take(saturated)
            if order is not None:
                self._moving[order.link] += 1
        return order

    def _copy(self, order: CopyOrder) -> None:
        try:
            self._copier.copy(order, self._keep_on(order))
        except Interrupted as error:
            if self._store.is_cancelled(order.job_id):
                self._store.finish(order, State.CANCELED, str(error))
            else:
                self._store.put_back(order)
        except CopyFailed as error:
            self._fail(order, str(error))
        except Exception as error:  # a fault in here must end one file, never a worker
            LOG.exception("action=copy file_id=%d", order.file_id)
            self._fail(order, f"INTERNAL ERROR: {type(error).__name__}: {error}")
        else:
            self._store.finish(order, State.FINISHED)
            LOG.info("action=copy state=FINISHED to=%s", order.destination)

    def _fail(self, order: CopyOrder, reason: str) -> None:
        there = reason.startswith(DESTINATION_EXISTS)
        dst_file = self._copier.describe(order.destination) if there else None
        self._store.finish(order, State.FAILED, reason, dst_file)
        LOG.warning("action=copy state=FAILED to=%s reason=%s", order.destination, reason)

    def _keep_on(self, order: CopyOrder) -> Callable[[], None]:
        def keep_on() -> None:
            if self._ending.is_set():
                raise Interrupted("the service ends")
            if self._store.is_cancelled(order.job_id):
                raise Interrupted("Job canceled by the user")

        return keep_on
