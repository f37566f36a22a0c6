"""Answer the requests of FTS3's REST interface that Rucio makes.

=====================  ========================================================
``POST /jobs``         submit; 200 ``{job_id}``, 409 when known already
``GET /jobs/A[,B]``    state; one id an object (404 if unknown), several a list
                       (207 if any is unknown)
``GET /jobs/A/files``  the files of one job
``DELETE /jobs/A``     cancel
``POST /jobs/A``       ``{params: {priority}}``
``GET /whoami``        what clients need to name their jobs themselves
``GET /``              version; open even where a token is required
=====================  ========================================================
"""

from __future__ import annotations

import hmac
import json
import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from sandbox.copy_service.answers import job_document, unknown_job
from sandbox.copy_service.errors import Refused
from sandbox.copy_service.guard import Guard
from sandbox.copy_service.store import JobStore
from sandbox.copy_service.submission import BASE_ID, VO, parse_job, parse_priority
from sandbox.copy_service.workers import Workers

LOG = logging.getLogger("dbb.copy")

# A bulk of 200 transfers is 200 kB; whoever sends more than this is no client of ours.
_MAX_BODY_BYTES = 64 * 1024 * 1024

Answer = tuple[int, Any]


class CopyServer(ThreadingHTTPServer):
    """Hold what the request handlers share; binds to loopback unless told otherwise."""

    daemon_threads = True

    def __init__(
        self,
        address: tuple[str, int],
        *,
        store: JobStore,
        workers: Workers,
        guard: Guard,
        token: str | None = None,
    ) -> None:
        super().__init__(address, _Handler)
        self.store = store
        self.workers = workers
        self.guard = guard
        self.token = token


class _Handler(BaseHTTPRequestHandler):
    server: CopyServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_DELETE(self) -> None:
        self._answer(self._delete)

    def _get(self, path: list[str], _body: bytes) -> Answer:
        match path:
            case []:
                return 200, {"api": {"major": 3, "minor": 12, "patch": 0}, "service": "dbb-copy"}
            case ["whoami"]:
                return 200, {
                    "base_id": str(BASE_ID),
                    "vos": [VO],
                    "user_dn": "dbb",
                    "method": "token",
                }
            case ["jobs", ids]:
                return self._jobs(ids.split(","))
            case ["jobs", job_id, "files"]:
                return 200, self._job(job_id)["files"]
        raise Refused(404, "no such resource")

    def _post(self, path: list[str], body: bytes) -> Answer:
        match path:
            case ["jobs"]:
                job = parse_job(body, self.server.guard)
                self.server.store.add(job)
                self.server.workers.wake()
                return 200, {"job_id": job.job_id}
            case ["jobs", job_id]:
                self._job(job_id)
                try:
                    priority = json.loads(body)["params"]["priority"]
                except (ValueError, KeyError, TypeError) as error:
                    raise Refused(400, "expected {params: {priority}}") from error
                self.server.store.set_priority(job_id, parse_priority(priority))
                return 200, self._job(job_id)
        raise Refused(404, "no such resource")

    def _delete(self, path: list[str], _body: bytes) -> Answer:
        match path:
            case ["jobs", job_id]:
                self._job(job_id)
                cancelled = self.server.store.cancel(job_id)
                message = "canceled" if cancelled else "had ended already"
                return 200, {**self._job(job_id), "http_message": f"The job {message}"}
        raise Refused(404, "no such resource")

    def _jobs(self, ids: list[str]) -> Answer:
        rows = [(job_id, self.server.store.job(job_id)) for job_id in ids]
        documents = [job_document(row) if row else unknown_job(job_id) for job_id, row in rows]
        complete = all(row for _, row in rows)
        if len(documents) == 1:
            return 200 if complete else 404, documents[0]
        return 200 if complete else 207, documents

    def _job(self, job_id: str) -> dict[str, Any]:
        row = self.server.store.job(job_id)
        if row is None:
            raise Refused(404, f"No job with the id {job_id} has been found")
        return job_document(row)

    def _answer(self, work: Any) -> None:
        path = [part for part in urlsplit(self.path).path.split("/") if part]
        try:
            body = self._body()
            self._authorise(path)
            status, document = work(path, body)
        except Refused as error:
            status, document = error.status, {"status": error.status, "message": str(error)}
        except Exception:
            LOG.exception("action=answer path=%s", self.path)
            status, document = 500, {"status": 500, "message": "internal error, see the log"}
        text = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BODY_BYTES:
            self.close_connection = True
            raise Refused(413, f"the body has more than {_MAX_BODY_BYTES} bytes")
        return self.rfile.read(length)

    def _authorise(self, path: list[str]) -> None:
        """Require the token, where the service has one, for all but the version."""
        token = self.server.token
        given = self.headers.get("Authorization") or ""
        if token and path and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Refused(401, "a valid bearer token is needed")

    def log_message(self, format: str, *args: Any) -> None:
        """Log at debug level: Rucio polls twice a second."""
        LOG.debug(format, *args)
