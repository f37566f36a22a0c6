"""What something costs the processor, without the clearing up after the tests before it."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Cost:
    """Hold the processor's time; it is known when the measuring has ended."""

    cpu_s: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure what is done meanwhile.

    After thousands of tests the collector has so many objects to look at that it takes half a second,
    at whatever moment it comes.
    """
    cost = Cost()
    gc.disable()
    begin = time.process_time()
    try:
        yield cost
    finally:
        cost.cpu_s = time.process_time() - begin
        gc.enable()
