"""Cutting work into chunks that one mapped task each does."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

MOST_CHUNKS = 1000
"""Airflow maps over 1,024 at most; what is left over is the next run's."""


def cut(items: Iterable[T], size: int) -> list[list[T]]:
    """Cut names of units, or nights, into chunks."""
    rest = iter(items)
    return list(iter(lambda: list(itertools.islice(rest, size)), []))


def as_airflow_maps(chunks: list[list[T]]) -> list[list[T]]:
    """Leave out the chunks that are more than Airflow maps over."""
    if len(chunks) > MOST_CHUNKS:
        log.warning("action=map-over-chunks left_over=%d", len(chunks) - MOST_CHUNKS)
    return chunks[:MOST_CHUNKS]
