"""Run the copy service in this process, on folders of the test."""

from __future__ import annotations

import threading
import time
import urllib.error
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import rest
from sandbox.copy_service.copying import Copier
from sandbox.copy_service.guard import Guard
from sandbox.copy_service.http_api import CopyServer
from sandbox.copy_service.states import FINAL
from sandbox.copy_service.store import JobStore
from sandbox.copy_service.workers import Workers


@dataclass
class RunningCopyService:
    """Hold a copy service between two stores, and speak to it as Rucio does."""

    folder: Path
    token: str | None = None
    copier: Any = None
    per_link: int = 2
    _parts: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        for site in ("usdf", "frdf"):
            (self.folder / site).mkdir(exist_ok=True)
        self.guard = Guard.of([(self.folder / site).as_uri() for site in ("usdf", "frdf")])

    def start(self) -> RunningCopyService:
        self.store = JobStore(self.folder / "jobs.sqlite")
        copier = self.copier or Copier(self.guard)
        self.workers = Workers(self.store, copier, workers=4, per_link=self.per_link)
        self.server = CopyServer(
            ("127.0.0.1", 0),
            store=self.store,
            workers=self.workers,
            guard=self.guard,
            token=self.token,
        )
        self.workers.start()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.workers.end()
        self.store.close()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.server.server_address[1]}{path}"
        try:
            return 200, rest.call(method, url, body=body, token=self.token)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def put(self, name: str, data: bytes, site: str = "usdf") -> str:
        path = self.folder / site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path.as_uri()

    def at(self, name: str, site: str = "frdf") -> str:
        return (self.folder / site / name).as_uri()

    def submit(self, *files: dict[str, Any], **params: Any) -> str:
        body = {"files": list(files), "params": {"verify_checksum": "both", **params}}
        status, answer = self.call("POST", "/jobs", body)
        assert status == 200, answer
        return str(answer["job_id"])

    def job(self, job_id: str) -> dict[str, Any]:
        status, document = self.call("GET", f"/jobs/{job_id}?files=file_state,reason")
        assert status == 200, document
        return dict(document)

    def ended(self, job_id: str) -> dict[str, Any]:
        return wait_for(lambda: self.job(job_id), lambda job: job["job_state"] in FINAL)


def transfer(
    sources: str | list[str], destination: str, data: bytes = b"", **more: Any
) -> dict[str, Any]:
    """Describe one file as Rucio's conveyor does."""
    return {
        "sources": [sources] if isinstance(sources, str) else sources,
        "destinations": [destination],
        "metadata": {"request_id": "r1", "scope": "raw", "name": "n"},
        "filesize": len(data),
        "checksum": f"ADLER32:{zlib.adler32(data):08x}",
        "activity": "Nightly",
        **more,
    }


def wait_for(look: Callable[[], Any], good: Callable[[Any], bool], within_s: float = 60) -> Any:
    """Look until what is seen is good."""
    deadline = time.monotonic() + within_s
    while not good(seen := look()):
        assert time.monotonic() < deadline, f"still {seen}"
        time.sleep(0.01)
    return seen
