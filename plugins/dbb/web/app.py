"""The web application that Airflow's API server mounts: its pages, each also as JSON.

Airflow does not guard what plugins mount, so the application guards itself: every route, also that
of an address that is none, asks for Airflow's user first.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import JSONResponse

from dbb.errors import DbbError, UnknownItem, UnsafeName
from dbb.flows.alarm_log import NEWEST, alarm_report
from dbb.flows.backbone import Backbone
from dbb.flows.buffers import buffers_document
from dbb.flows.deciding import Signature
from dbb.flows.exposure_story import exposure_story
from dbb.flows.lag_report import lag_report
from dbb.flows.night import night_report, night_rows
from dbb.flows.night_sums import NightRows
from dbb.flows.nights import NIGHTS, nights_report
from dbb.flows.now import now_report
from dbb.flows.outage_history import YEAR_DAYS
from dbb.flows.outages import account_outages
from dbb.flows.quarantine import apply_decisions, choose_held, plan_decisions, quarantine_report
from dbb.flows.sums import budget_sum, read_sum, replicas_sum
from dbb.flows.work import work_document
from dbb.model.day_obs import DayObs
from dbb.settings import Settings
from dbb.web.access import CanDecide, Form, UserName, make_token, may_decide, may_read
from dbb.web.alarms_page import alarms_html
from dbb.web.error_page import error_document, error_html, refused_html, status_of
from dbb.web.exposure_page import exposure_html
from dbb.web.framed import PageResponse
from dbb.web.lag_page import lag_html
from dbb.web.markup import STYLE_SHA256
from dbb.web.night_page import night_document, night_html
from dbb.web.nights_page import nights_html
from dbb.web.now_page import now_html
from dbb.web.outages_page import outages_html
from dbb.web.quarantine_page import done_html, plan_html, quarantine_html
from dbb.web.selection import Selection
from dbb.web.sums_pages import budget_html, buffers_html, replicas_html
from dbb.web.work_page import work_html
from dbb.wiring.backbone import open_backbone
from dbb.wiring.base import open_ledger
from dbb.wiring.pages import open_nights, open_outages, open_views

log = logging.getLogger(__name__)

_POLICY = (
    f"default-src 'none'; style-src 'sha256-{STYLE_SHA256}'; base-uri 'none'; form-action '{{}}'; "
    "frame-ancestors 'self'"
)

HEADERS = {
    "Cache-Control": "no-store",  # a verdict of yesterday must not look like today's
    "Content-Security-Policy": _POLICY.format("none"),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@cache
def the_backbone() -> Backbone:
    """Open the ports once a process, at the first page; the pages only read the ledger.

    A failure is not remembered: the next page tries again. What the API server has loaded by then stays for
    good: it is left out of garbage collections, which would stop a page for 0.3 s to walk through it.
    """
    settings = Settings.load()
    open_ledger(settings, "").check()
    backbone = open_backbone(settings, "page")
    gc.collect()
    gc.freeze()
    return backbone


Ports = Annotated[Backbone, Depends(the_backbone)]


def make_app() -> FastAPI:
    """Make the application."""
    app = FastAPI(
        title="Data Backbone",
        dependencies=[Depends(may_read)],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(DbbError, _tell)
    app.add_exception_handler(HTTPException, _turn_away)
    # Functions without `async` run in threads: a slow ledger never stops Airflow's event loop.
    app.add_api_route("/nights", nights_page, response_model=None)
    app.add_api_route("/night/{day_obs}", night_page, response_model=None)
    app.add_api_route("/exposure/{obs_id}", exposure_page, response_model=None)
    for address, make in (
        ("now", now_page), ("lag", lag_page), ("buffers", buffers_page), ("budget", budget_page),
        ("replicas", replicas_page), ("alarms", alarms_page), ("work", work_page),
        ("outages", outages_page),
    ):  # fmt: skip
        app.add_api_route(f"/{address}", make, response_model=None)
    app.add_api_route("/quarantine", quarantine_page, response_model=None)
    decisions: dict[str, Callable[..., Response]] = {"plan": plan_page, "apply": apply_page}
    for address, decide in decisions.items():
        app.add_api_route(
            f"/quarantine/{address}",
            decide,
            methods=["POST"],
            dependencies=[Depends(may_decide)],
            response_model=None,
        )
    app.add_api_route("/{address:path}", no_page, response_model=None)
    return app


def nights_page(
    request: Request, ports: Ports, last: str = "", number: str = str(NIGHTS)
) -> Response:
    """Show the last nights, or those until one."""
    wants_json = _wants_json(request)
    day_obs = DayObs.parse(last) if last else None
    report = nights_report(ports, _nights(request.app, ports), day_obs, _whole(number))
    return _json(report.to_json()) if wants_json else _html(nights_html(report))


def _nights(app: FastAPI, ports: Backbone) -> NightRows:
    """Give the counts of nights that this process keeps from one page to the next."""
    kept: tuple[object, NightRows] | None = getattr(app.state, "nights", None)
    if kept is None or kept[0] is not ports.ledger:
        kept = app.state.nights = (ports.ledger, open_nights(ports, keep=True))
    return kept[1]


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
        rows = night_rows(ports, report, selection.choose(report.problems_first))
        return _json(night_document(report, rows, selection))
    rows = night_rows(ports, report, selection.show(report.problems_first)[0])
    return _html(night_html(report, rows, selection, ports.instruments))


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


def now_page(request: Request, ports: Ports) -> Response:
    """Show what goes on now."""
    wants_json = _wants_json(request)
    views = open_views(ports)
    report = now_report(ports, views.page, views.canaries)
    return _json(report.to_json()) if wants_json else _html(now_html(report))


def lag_page(request: Request, ports: Ports, last: str = "") -> Response:
    """Show how long the last nights took, or those until one."""
    wants_json = _wants_json(request)
    day_obs = DayObs.parse(last) if last else None
    report = lag_report(ports, day_obs)
    if wants_json:
        return _json(report.to_json())
    return _html(lag_html(report, f"?last={day_obs}" if day_obs else ""))


def buffers_page(request: Request, ports: Ports) -> Response:
    """Show the buffers as they were measured last, and what has gone from caches."""
    wants_json = _wants_json(request)
    document = buffers_document(ports, open_views(ports).page, _endpoints())
    return _json(document) if wants_json else _html(buffers_html(document))


@cache
def _endpoints() -> tuple[str, ...]:
    """Name all endpoints; reading their files takes longer than a page."""
    return tuple(Settings.load().endpoints)


def budget_page(request: Request, ports: Ports) -> Response:
    """Show the account of losses as it was made last."""
    wants_json = _wants_json(request)
    views = open_views(ports)
    document = read_sum(ports, "budget", lambda: budget_sum(ports, views.keeping, views.drills))
    return _json(document) if wants_json else _html(budget_html(document, ports.clock.now()))


def replicas_page(request: Request, ports: Ports) -> Response:
    """Show the map of copies as it was made last."""
    wants_json = _wants_json(request)
    views = open_views(ports)

    def make() -> dict[str, Any]:
        return replicas_sum(ports, views.keeping, views.page, Settings.load().reread_days)

    document = read_sum(ports, "replicas", make)
    return _json(document) if wants_json else _html(replicas_html(document, ports.clock.now()))


def alarms_page(request: Request, ports: Ports, number: str = str(NEWEST)) -> Response:
    """Show what must be known now, and the log."""
    wants_json = _wants_json(request)
    report = alarm_report(open_views(ports).alarms, ports.clock, _whole(number))
    if wants_json:
        return _json(report.to_json())
    return _html(alarms_html(report, "" if number == str(NEWEST) else f"?number={number}"))


def work_page(request: Request, ports: Ports) -> Response:
    """Show what is held and what catches up."""
    wants_json = _wants_json(request)
    document = work_document(ports, open_views(ports).maintenance)
    return _json(document) if wants_json else _html(work_html(document))


def outages_page(request: Request, ports: Ports, days: str = str(YEAR_DAYS)) -> Response:
    """Show the outages of a year, or of the last days."""
    wants_json = _wants_json(request)
    report = account_outages(ports, open_outages(ports), _whole(days))
    return _json(report.to_json()) if wants_json else _html(outages_html(report))


def quarantine_page(
    request: Request,
    ports: Ports,
    user: UserName,
    can: CanDecide,
    day_obs: str = "",
    code: str = "",
) -> Response:
    """Show what is held, of all nights or of one, of all codes or of one."""
    wants_json = _wants_json(request)
    night = DayObs.parse(day_obs).value if day_obs else None
    report = quarantine_report(ports, night, code)
    if wants_json:
        return _json(report.to_json())
    given = urlencode(
        {key: value for key, value in (("day_obs", day_obs), ("code", code)) if value}
    )
    token = make_token(user) if can else ""
    return _html(quarantine_html(report, f"?{given}" if given else "", token), with_form=True)


def plan_page(ports: Ports, user: UserName, form: Form) -> Response:
    """Show what a decision on the chosen items would do."""
    action, why = _field(form, "action"), _field(form, "why").strip()
    if not why:
        raise UnsafeName.for_name(why, "a decision needs its reason")
    query = parse_qs(_field(form, "query").removeprefix("?"))
    night = DayObs.parse(_field(query, "day_obs")).value if query.get("day_obs") else None
    chosen = choose_held(ports, form.get("id", ()), form.get("code", ()), night)
    plan = plan_decisions(ports, action, chosen)
    return _html(plan_html(plan, action, why, make_token(user)), with_form=True)


def apply_page(ports: Ports, user: UserName, form: Form) -> Response:
    """Carry out the plan that was read."""
    done = apply_decisions(
        ports,
        _field(form, "action"),
        form.get("id", []),
        _field(form, "plan"),
        Signature(user, _field(form, "why") or "no reason given"),
    )
    return _html(done_html(done))


def _field(form: Mapping[str, Sequence[str]], name: str) -> str:
    return next(iter(form.get(name, ())), "")


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


async def _turn_away(request: Request, error: Exception) -> Response:
    """Answer somebody who may not; a stranger is told nothing."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for no other
    if error.status_code != 403:
        return await http_exception_handler(request, error)
    return _html(refused_html(str(error.detail)), 403)


def _html(text: str, status: int = 200, *, with_form: bool = False) -> Response:
    headers = (
        HEADERS | {"Content-Security-Policy": _POLICY.format("self")} if with_form else HEADERS
    )
    return PageResponse(text, status, headers=headers)


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return JSONResponse(document, status, headers=HEADERS)
