"""The web application that Airflow's API server mounts: two pages, each also as JSON.

Airflow does not guard what plugins mount, so the application guards itself: every route, also that
of an address that is none, asks for Airflow's user first.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from dbb.errors import DbbError, UnknownItem, UnsafeName
from dbb.flows.backbone import Backbone
from dbb.flows.exposure_story import exposure_story
from dbb.flows.night import night_report
from dbb.flows.nights import NIGHTS, nights_report
from dbb.model.day_obs import DayObs
from dbb.settings import Settings
from dbb.web.error_page import error_document, error_html, status_of
from dbb.web.exposure_page import exposure_html
from dbb.web.markup import STYLE_SHA256
from dbb.web.night_page import night_document, night_html
from dbb.web.nights_page import nights_html
from dbb.web.selection import Selection
from dbb.wiring import open_backbone, open_ledger, open_nights

log = logging.getLogger(__name__)

HEADERS = {
    "Cache-Control": "no-store",  # a verdict of yesterday must not look like today's
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_SHA256}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@cache
def the_backbone() -> Backbone:
    """Open the ports once a process, at the first page; the pages only read the ledger.

    A failure is not remembered: the next page tries again.
    """
    settings = Settings.load()
    open_ledger(settings, "").check()
    return open_backbone(settings, "page")


Ports = Annotated[Backbone, Depends(the_backbone)]


def make_app() -> FastAPI:
    """Make the application."""
    app = FastAPI(
        title="Data Backbone",
        dependencies=[Depends(requires_authenticated())],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(DbbError, _tell)
    # Functions without `async` run in threads: a slow ledger never stops Airflow's event loop.
    app.add_api_route("/nights", nights_page, response_model=None)
    app.add_api_route("/night/{day_obs}", night_page, response_model=None)
    app.add_api_route("/exposure/{obs_id}", exposure_page, response_model=None)
    app.add_api_route("/{address:path}", no_page, response_model=None)
    return app


def nights_page(
    request: Request, ports: Ports, last: str = "", number: str = str(NIGHTS)
) -> Response:
    """Show the last nights, or those until one."""
    wants_json = _wants_json(request)
    day_obs = DayObs.parse(last) if last else None
    report = nights_report(ports, open_nights(ports), day_obs, _whole(number))
    return _json(report.to_json()) if wants_json else _html(nights_html(report))


def night_page(
    request: Request,
    ports: Ports,
    day_obs: str,
    first: str = "",
    last: str = "",
    standing: str = "",
    page: str = "1",
) -> Response:
    """Show a night, or the part of it from one exposure to another, or of one standing."""
    wants_json = _wants_json(request)
    night = DayObs.parse(day_obs)
    selection = Selection.parse(ports, night, first, last, standing, _whole(page))
    report = night_report(ports, night)
    if wants_json:
        return _json(night_document(report, selection))
    return _html(night_html(report, selection, ports.instruments))


def exposure_page(request: Request, ports: Ports, obs_id: str) -> Response:
    """Tell an exposure's story."""
    wants_json = _wants_json(request)
    as_of = ports.clock.now()
    story = exposure_story(ports, obs_id)
    return (
        _json(story.to_json())
        if wants_json
        else _html(exposure_html(story, as_of, ports.instruments))
    )


def no_page(address: str) -> Response:
    """Say that there is no such page."""
    raise UnknownItem.for_name("page", address)


def _wants_json(request: Request) -> bool:
    form = request.query_params.get("format", "html")
    if form not in ("html", "json"):
        raise UnsafeName.for_name(form, "a page is written as html or json")
    return form == "json"


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise UnsafeName.for_name(text, "it is no whole number")
    return int(text)


async def _tell(request: Request, error: Exception) -> Response:
    """Answer with the page of an error."""
    assert isinstance(error, DbbError)  # noqa: S101 - registered for no other
    status = status_of(error)
    if status >= 500:
        log.warning("action=show-page path=%s %s", request.url.path, error)
    if request.query_params.get("format") == "json":
        return _json(error_document(error), status)
    return _html(error_html(error), status)


def _html(text: str, status: int = 200) -> Response:
    return HTMLResponse(text, status, headers=HEADERS)


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(document, status, headers=HEADERS)
