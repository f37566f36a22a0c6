"""A payload that is an external program: started, watched, ended, and its products collected."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dbb.errors import PayloadFailed, PayloadOutOfTime
from dbb.hooks.calibration.command_order import collect_named, write_order
from dbb.model.payload import PayloadOrder, Product

if TYPE_CHECKING:
    from dbb.hooks.calibration.scratch_repository import ScratchRepository

PLACEHOLDERS = frozenset(
    {
        "data_query", "folder", "input_collection", "instrument", "kind", "order", "output_run",
        "physical_filter", "repository", "result",
    }
)  # fmt: skip
"""What a command may name in braces."""

OF_REPOSITORY = frozenset({"data_query", "input_collection", "output_run", "repository"})

PLUGINS = Path(__file__).resolve().parents[3]

GRACE_S = 10.0
"""How long the program may take to end itself before it is killed."""

NOT_ITS_BUSINESS = ("DBB_", "AIRFLOW", "RUCIO_")
"""Beginnings of variables that the program does not get: a payload knows no ledger and no Rucio."""

_GUARD = 'read _; kill -s KILL -- "-$0" 2>/dev/null'
"""Waits until its standard input ends, which it also does when the task that holds the other end is
killed; then no process of the program's group is left."""


@dataclass(frozen=True)
class CommandPayload:
    """Run a program for each order.

    Parameters
    ----------
    name, version
        As provenance records them.
    command
        The program and its arguments, with placeholders in braces.
    time_limit_s
        How long it may take.
    parameters
        What it is given beside the order's own parameters.
    make_repository
        Makes a scratch repository of an order, where the command names one; then the products are
        the datasets of its output run. Without, they are what the result file names.
    """

    name: str
    version: str
    command: tuple[str, ...]
    time_limit_s: float
    parameters: Mapping[str, str | int | float]
    make_repository: Callable[[Path, PayloadOrder], ScratchRepository] | None = None

    def run(self, order: PayloadOrder) -> Sequence[Product]:
        """Make one product for each detector of the order; see `Payload.run`.

        The folder ``command`` of the order's folder keeps the order, the log and, after a failure,
        whatever else the program left.

        Raises
        ------
        PayloadFailed
            If the program cannot be started, fails, or does not give one product a detector.
        PayloadOutOfTime
            If it does not end in its time.
        """
        work = order.folder / "command"
        shutil.rmtree(work, ignore_errors=True)
        products = work / "products"
        products.mkdir(parents=True)
        write_order(work / "order.json", order, self.parameters)
        repository = None
        if self.make_repository is not None:
            repository = self.make_repository(work / "repository", order)
        log = work / "log"
        self._start(self._words(order, work, repository), work, log)
        if repository is None:
            found = collect_named(self.name, order, work / "result.json", products, log)
        else:
            found = repository.collect(self.name, order, products, log)
        for product in found:
            (products / product.file).replace(order.folder / product.file)
        for folder in (products, work / "repository"):
            shutil.rmtree(folder, ignore_errors=True)
        return found

    def _words(
        self, order: PayloadOrder, work: Path, repository: ScratchRepository | None
    ) -> list[str]:
        values: dict[str, str] = {
            "folder": str(work / "products"),
            "instrument": order.instrument,
            "kind": str(order.kind),
            "order": str(work / "order.json"),
            "physical_filter": order.physical_filter,
            "result": str(work / "result.json"),
        }
        if repository is not None:
            values |= {
                "data_query": repository.data_query,
                "input_collection": repository.input_collection,
                "output_run": repository.output_run,
                "repository": str(repository.root),
            }
        return [_fill(word, values) for word in self.command]

    def _start(self, words: Sequence[str], work: Path, log: Path) -> None:
        with log.open("wb") as file, _running(self.name, words, work, file) as process:
            try:
                status = process.wait(self.time_limit_s)
            except subprocess.TimeoutExpired:
                raise PayloadOutOfTime.for_command(self.name, self.time_limit_s, log) from None
        if status:
            why = f"signal {-status}" if status < 0 else f"exit status {status}"
            raise PayloadFailed.for_command(self.name, why, log)


@contextmanager
def _running(
    name: str, words: Sequence[str], work: Path, log: IO[bytes]
) -> Iterator[subprocess.Popen[Any]]:
    """Start a program in a process group of its own; leave none of the group behind."""
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(NOT_ITS_BUSINESS)
    }
    # Butler imports the formatter of the datasets in the scratch repository by its name.
    paths = [str(PLUGINS), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    environment["PWD"] = str(work)  # some programs believe it more than the kernel
    try:
        process = subprocess.Popen(  # noqa: S603 - the command of a reviewed file, never a shell's
            words,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise PayloadFailed.for_command(name, f"{words[0]}: {error.strerror}", log.name) from None
    guard = subprocess.Popen(  # noqa: S603
        ["/bin/sh", "-c", _GUARD, str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        try:
            if process.poll() is None:
                _signal(process.pid, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(GRACE_S)
        finally:
            _signal(process.pid, signal.SIGKILL)
            guard.communicate()
            process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _fill(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word
