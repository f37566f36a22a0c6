from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.sandbox.running_copy_service import RunningCopyService


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., RunningCopyService]]:
    running: list[RunningCopyService] = []

    def make(**options: Any) -> RunningCopyService:
        running.append(RunningCopyService(tmp_path, **options).start())
        return running[-1]

    yield make
    for service in running:
        if service.thread.is_alive():
            service.stop()


@pytest.fixture
def service(make_service: Callable[..., RunningCopyService]) -> RunningCopyService:
    return make_service()
