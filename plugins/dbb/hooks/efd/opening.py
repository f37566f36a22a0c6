"""Putting together what makes values of an instrument's telemetry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from dbb.flows.efd_intervals import IntervalPorts
from dbb.flows.efd_transforming import TransformPorts
from dbb.hooks.efd.archive import EfdArchive
from dbb.hooks.efd.cells import SqlEfdCells
from dbb.hooks.efd.config import TransformConfig, load_config
from dbb.hooks.efd.engine import Engine, Transformed
from dbb.hooks.efd.gate import Gate, Limits, load_gate
from dbb.hooks.efd.intervals import SqlIntervals
from dbb.hooks.efd.published import SqlPublished
from dbb.hooks.efd.target import check_target, check_topics
from dbb.hooks.ledger import SqlLedger
from dbb.model.efd_values import EfdRow, Violation
from dbb.ports.clock import Clock
from dbb.ports.store import Store


def load_transform(
    instrument: str, folder: Path, archived: Collection[str]
) -> tuple[TransformConfig, Limits]:
    """Read what is made of an instrument's telemetry, and the limits; hold them against schema and topics.

    Raises
    ------
    EfdConfigWrong
        If it cannot be made; names file, line and column.
    PolicyUnreadable
        If the limits cannot be read.
    """
    config = load_config(instrument, folder / f"transform_{instrument.lower()}.yaml")
    check_target(config)
    check_topics(config, archived)
    return config, load_gate(instrument, folder)


def open_intervals(
    config: TransformConfig, limits: Limits, ledger: SqlLedger, store: Store, clock: Clock
) -> IntervalPorts:
    """Open the transformation over a ledger's database and the store where the files are."""
    published = SqlPublished(ledger)
    cells = SqlEfdCells(ledger)
    engine = Engine(config, EfdArchive(cells, store))
    gate = Gate(config, limits)

    def judge(made: Transformed, changed: Sequence[EfdRow]) -> list[Violation]:
        ids = sorted({row.exposure_id for row in changed})
        return gate.judge(made, changed, published.samples(config.instrument, ids))

    transform = TransformPorts(config.instrument, config, published, engine.transform, judge)
    return IntervalPorts(transform, limits.sha256, cells, SqlIntervals(ledger), clock)
