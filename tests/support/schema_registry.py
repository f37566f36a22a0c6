"""A schema registry of Confluent's REST form over a real socket, and what may stand in its place."""

from __future__ import annotations

import http.server
import json
import time
from contextlib import contextmanager

from support.receiver import serving


class Registry:
    """Hold schemas by number; answer as told.

    ``fault`` may be *emptied* (it knows no number), *no-registry* (something else answers 404), *broken*
    (500), *garbage* (200, and no document), *no-schema* (200, and another document), *other-schema* (200, and the
    schema of something else), *login-page* (a redirect to a page), *hangs*.
    """

    def __init__(self, schemas):
        self.schemas = schemas
        self.fault = ""
        self.asked = []
        self.url = ""

    def answer(self, number):
        """Give status, kind and body."""
        missing = json.dumps({"error_code": 40403, "message": f"Schema {number} not found"})
        known = json.dumps({"schema": json.dumps(self.schemas.get(number))})
        other = {"type": "record", "name": "other", "fields": [{"name": "a", "type": "int"}]}
        answers = {
            "": (200, known) if number in self.schemas else (404, missing),
            "emptied": (404, missing),
            "no-registry": (404, "<html>nothing here</html>"),
            "other-service": (
                404,
                json.dumps({"error_code": 404, "message": "HTTP 404 Not Found"}),
            ),
            "broken": (500, json.dumps({"error_code": 50001, "message": "Error in the backend"})),
            "garbage": (200, "<html>welcome</html>"),
            "no-schema": (200, json.dumps({"status": "ok"})),
            "no-json-in-it": (200, json.dumps({"schema": "{"})),
            "other-schema": (200, json.dumps({"schema": json.dumps(other)})),
            "no-avro": (200, json.dumps({"schema": json.dumps({"type": "nonsense"})})),
            "login-page": (302, ""),
        }
        return answers[self.fault]


@contextmanager
def schema_registry(schemas):
    """Serve a registry."""
    registry = Registry(schemas)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            registry.asked.append(self.path)
            if registry.fault == "hangs":
                time.sleep(1)
                return
            is_login = self.path == "/login"
            number = 0 if is_login else int(self.path.rpartition("/")[2])
            status, body = (
                (200, "<html>who are you</html>") if is_login else registry.answer(number)
            )
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/login")
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with serving(Handler) as port:
        registry.url = f"http://127.0.0.1:{port}"
        yield registry
