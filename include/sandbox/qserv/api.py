"""Answer as Qserv's HTTP servers do: HTTP 200 always, keys, a version window an endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pymysql
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from sandbox.qserv.faults import ConnectionLost, Faults
from sandbox.qserv.forms import read_form

VERSION = 55

Answer = dict[str, Any]


class Refused(Exception):
    """Answer with ``success: 0`` and a reason."""

    def __init__(self, reason: str, ext: Answer | None = None) -> None:
        super().__init__(reason)
        self.ext = ext or {}


@dataclass
class Call:
    """Hold one request: its words, the key that came with it, the warnings it earned."""

    method: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    is_form: bool = False
    files: list[tuple[str, bytes]] = field(default_factory=list)
    is_admin: bool = False
    warnings: list[str] = field(default_factory=list)
    window: Answer = field(default_factory=dict)

    def need(self, name: str, kind: Callable[[Any], Any] = str) -> Any:
        """Give a parameter of the body, of the type that Qserv would read it as."""
        if name not in self.body:
            raise Refused(f"required parameter '{name}' is missing in the request body")
        value = self.body[name]
        wanted = (int, float) if kind is float else kind
        is_text = self.is_form and isinstance(value, str)
        if isinstance(wanted, type | tuple) and not isinstance(value, wanted) and not is_text:
            raise Refused(f"parameter '{name}' has a wrong type: {value!r}")
        try:
            return kind(value)
        except (TypeError, ValueError) as error:
            raise Refused(f"parameter '{name}' has a wrong value: {value!r}") from error

    def option(self, name: str, default: Any) -> Any:
        """Give a parameter of the body that may be absent; its default tells its type."""
        return self.need(name, type(default)) if name in self.body else default

    def flag(self, name: str, default: int = 0) -> int:
        """Give a number of the query that may be absent."""
        try:
            return int(self.query.get(name, default))
        except ValueError as error:
            raise Refused(f"query parameter '{name}' is not a number") from error

    def number(self, name: str = "id") -> int:
        """Give a number of the path."""
        try:
            return int(self.params[name])
        except ValueError as error:
            raise Refused(f"'{self.params[name]}' is not a number") from error

    def check_version(self, least: int, warning: str = "") -> None:
        """Refuse a version outside of the window of an endpoint; warn where none was sent."""
        least, most = max(least, self.window["least"]), self.window["version"]
        window = {"min_version": least, "max_version": most}
        sent = self.body.get("version", self.query.get("version", 0))
        try:
            version = int(sent)
        except (TypeError, ValueError):
            reason = "The optional parameter version is not a number."
            raise Refused(reason, window) from None
        if version == 0:
            self.warnings.append("No version number was provided in the request.")
        elif not least <= version <= most:
            if warning:
                self.warnings.append(warning)
            reason = f"The requested version {version} of the API is not in the supported range."
            raise Refused(reason, window)


Handler = Callable[[Call], Answer]


class Api:
    """Collect the endpoints of one server.

    Parameters
    ----------
    server
        The controller's or a worker's name: what faults are matched with.
    keys
        The ordinary key and the administrator's.
    """

    def __init__(self, server: str, keys: tuple[str, str], faults: Faults) -> None:
        self.server = server
        self.keys = keys
        self.faults = faults
        self.app = FastAPI(openapi_url=None)
        self.app.add_api_route("/_faults", self._faults, methods=["GET", "POST", "DELETE"])

    def asgi(self) -> Cut:
        """Give the application that a server runs."""
        return Cut(self.app)

    def add(self, method: str, path: str, least: int, handler: Handler) -> None:
        """Add an endpoint with the least version that it takes; 0 asks for none."""

        async def endpoint(request: Request) -> JSONResponse:
            try:
                call = await _read(request)
            except (ValueError, AttributeError) as error:
                return _failure(f"the request's body is not JSON: {error}")
            return await run_in_threadpool(self._answer, call, least, handler, request.scope)

        self.app.add_api_route(path, endpoint, methods=[method])

    def _answer(self, call: Call, least: int, handler: Handler, scope: Scope) -> JSONResponse:
        facts = {**call.body, "server": self.server, "method": call.method, "path": call.path}
        try:
            return self._work(call, least, handler, scope, facts)
        except ConnectionLost:
            scope["cut_after_bytes"] = 0  # also of the answer that the framework would give
            raise

    def _work(
        self, call: Call, least: int, handler: Handler, scope: Scope, facts: Answer
    ) -> JSONResponse:
        fault = self.faults.before(facts)
        if fault and fault["kind"] == "status":
            return JSONResponse({"detail": "fault"}, status_code=int(fault.get("code", 500)))
        try:
            call.window = self.faults.window(VERSION)
            if call.method != "GET":
                self._authorize(call)
            if least:
                call.check_version(least)
            found = handler(call)
        except (Refused, pymysql.MySQLError, OSError) as error:
            answer = _failure(str(error), getattr(error, "ext", {}), call.warnings)
        else:
            told = {"success": 1, "error": "", "error_ext": {}}
            answer = JSONResponse({**found, **told, "warning": "; ".join(call.warnings)})
        fault = self.faults.after(facts)
        if fault:
            scope["cut_after_bytes"] = 0 if fault["kind"] == "lost" else int(fault.get("bytes", 0))
        return answer

    def _authorize(self, call: Call) -> None:
        for name, key in (("admin_auth_key", self.keys[1]), ("auth_key", self.keys[0])):
            if name in call.body:
                if call.body[name] != key:
                    raise Refused(f"authorization key '{name}' doesn't match the server's")
                call.is_admin = name == "admin_auth_key"
                return
        raise Refused("none of the keys 'auth_key' or 'admin_auth_key' was found in the request")

    async def _faults(self, request: Request) -> JSONResponse:
        """Plant faults, list them, take them away: no part of Qserv's API."""
        if request.method == "POST":
            await run_in_threadpool(self.faults.plant, json.loads(await request.body()))
        if request.method == "DELETE":
            await run_in_threadpool(self.faults.clear)
        return JSONResponse({"faults": await run_in_threadpool(self.faults.planted)})


def _failure(
    reason: str, ext: Answer | None = None, warnings: list[str] | None = None
) -> JSONResponse:
    told = {"success": 0, "error": reason, "error_ext": ext or {}}
    return JSONResponse({**told, "warning": "; ".join(warnings or [])})


async def _read(request: Request) -> Call:
    """Read the words of a request: from JSON, or from a form with files."""
    query = dict(request.query_params)
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    body: dict[str, Any] = {}
    files: list[tuple[str, bytes]] = []
    if is_form:
        form = await read_form(request)
        body, files = {**form.fields}, form.files
    else:
        raw = await request.body()
        body = dict(json.loads(raw).items()) if raw else {}
    path = request.url.path
    return Call(request.method, path, dict(request.path_params), query, body, is_form, files)


class Cut:
    """Cut connections: where a fault says so, or where the server would have died."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the application answers, up to where it is to be cut."""

        async def sending(message: Message) -> None:
            left = scope.get("cut_after_bytes")
            if left is None:
                await send(message)
                return
            if message["type"] == "http.response.start" and left:
                await send(message)
            if message["type"] == "http.response.body":
                if left:
                    part = message.get("body", b"")[:left]
                    await send({"type": message["type"], "body": part, "more_body": True})
                raise ConnectionLost

        try:
            await self.app(scope, receive, sending)
        except ConnectionLost:
            # uvicorn gives the bound method of the object that holds the connection.
            transport = getattr(getattr(send, "__self__", None), "transport", None)
            if transport is not None:
                transport.close() if scope.get("cut_after_bytes") else transport.abort()
