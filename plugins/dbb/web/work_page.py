"""Maintenance and catching up: what is held and by whom, what still runs, and which nights are done."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dbb.flows.verdict import Verdict
from dbb.flows.work import work_sentence
from dbb.printable import count
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, join, page, table, tag
from dbb.web.signs import sign_of, spoken


def work_html(document: dict[str, Any]) -> str:
    """Write the page."""
    as_of = dt.datetime.fromisoformat(document["as_of"])
    return page(
        "Maintenance and catching up",
        navigation("", "work", tag("a", "JSON", href="work?format=json")),
        ageing(spoken(work_sentence(document)), as_of, "work"),
        read_at(as_of, "work"),
        _maintenance(document),
        _catch_up(document),
        command_line("dbb maintenance status", "dbb catchup status"),
    )


def _maintenance(document: dict[str, Any]) -> Html:
    held, working = document["maintenance"]["maintenance"], document["maintenance"]["working"]
    if held is None:
        return tag("p", "No maintenance lasts: Airflow starts what is due.")
    begun = dt.datetime.fromisoformat(held["begun_at"])
    told = tag("p", f"Held by {held['begun_by']} since ", begun, f": {held['reason']}. Go on with ",
               tag("code", "dbb maintenance resume"), " or the DAG maintenance.")  # fmt: skip
    return join(
        (
            told,
            table("What is held, and runs again afterwards", ["DAG"], [[each] for each in held["dags"]]),
            tag("p", "Nobody has asked Airflow yet what still runs.", class_="note")
            if working is None
            else table("What still ran when Airflow was last asked", ["task"], [[each] for each in working])
            or tag("p", "Nothing ran when Airflow was last asked."),
        )
    )  # fmt: skip


def _catch_up(document: dict[str, Any]) -> Html:
    catch_up, at = document["catchup"], document["catchup_at"]
    if catch_up is None:
        return tag(
            "p",
            "Nobody has asked Airflow yet what catches up: see the DAG ",
            tag("code", "alarm_watch"),
            ".",
        )
    asked = tag(
        "p", "Airflow was last asked at ", dt.datetime.fromisoformat(at), ".", class_="note"
    )
    if catch_up["number"] is None:
        return join((tag("p", "No backfill was ever started."), asked))
    number, done, left = catch_up["number"], catch_up["nights_done"], catch_up["nights_left"]
    return join(
        (
            table(
                f"Backfill {number}, {catch_up['state']}: {count(done, 'night')} done, {left:,} left",
                ["night", "verdict"],
                [
                    [
                        tag("a", night["day_obs"], href=f"night/{night['day_obs']}"),
                        sign_of(Verdict(night["verdict"])),
                    ]
                    for night in catch_up["nights"]
                ],
            ),
            asked,
        )
    )  # fmt: skip
