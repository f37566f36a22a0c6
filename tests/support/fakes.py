"""Every fake in one place: ``from support.fakes import MemoryStore, MemoryCatalog, …``."""

from __future__ import annotations

from support.fake_catalog import MemoryCatalog
from support.fake_clock import FixedClock
from support.fake_images import MemoryIndexer, MemoryInspector, fake_image
from support.fake_repository import MemoryRepository
from support.fake_store import MemoryStore

__all__ = [
    "FixedClock",
    "MemoryCatalog",
    "MemoryIndexer",
    "MemoryInspector",
    "MemoryRepository",
    "MemoryStore",
    "fake_image",
]
