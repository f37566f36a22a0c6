"""The pages over sums that are made every hour: buffers and caches, the loss budget, the map of copies."""

from __future__ import annotations

import datetime as dt
from typing import Any

from dbb.flows.buffers import Level
from dbb.flows.sums import budget_sentences, is_old
from dbb.web.bars import bar
from dbb.web.layout import command_line, navigation
from dbb.web.markup import Html, join, page, sign, table, tag
from dbb.web.signs import spoken

_LEVELS = {
    Level.WELL: ("✓", "good"),
    Level.FILLING: ("◌", "wait"),
    Level.NEARLY_FULL: ("▲", "act"),
    Level.UNKNOWN: ("?", "none"),
}


def buffers_sentence(document: dict[str, Any]) -> str:
    """Say whether a buffer needs somebody."""
    rows = document["buffers"]
    bad = [row["endpoint"] for row in rows if row["level"] == Level.NEARLY_FULL]
    if bad:
        return f"ACT — nearly full: {', '.join(bad)}."
    if document["is_old"]:
        return "UNKNOWN — no buffer was measured within two hours."
    if any(row["level"] in (Level.FILLING, Level.UNKNOWN) for row in rows):
        return "WAITING — a buffer fills, or nobody has said how much it holds."
    return "SAFE — each buffer lasts as long as it must with its link down."


def buffers_html(document: dict[str, Any]) -> str:
    """Write the page of buffers and caches."""
    measured = document["measured_at"]
    return page(
        "Buffers and caches",
        navigation("", "buffers", tag("a", "JSON", href="buffers?format=json")),
        spoken(buffers_sentence(document)),
        tag("p", "Measured at ", _time(measured), ", every hour. All times are UTC.", class_="note"),
        table(
            "Buffers",
            ["buffer", "level", "used", "", "files", "busiest day", "lasts", "must last"],
            [_buffer(row) for row in document["buffers"]],
        ),
        table(
            "Caches: the oldest that each rule of expiry selects, noted every six hours",
            ["endpoint", "rule", "items", "GB", "the oldest", "lifetime", "next goes", "noted at"],
            [_cache(row) for row in document["caches"]],
        ),
        table(
            "What goes from caches and endpoints because its time is over",
            ["endpoint", "state", "items", "GB", "the last"],
            [
                [row["endpoint"], row["state"], f"{row['items']:,}", f"{row['bytes'] / 1e9:,.2f}", _time(row["last_at"])]
                for row in document["expiries"]
            ],
        ),
        tag("p", f"{document['pins']:,} pins hold something back."),
        command_line("dbb buffers", "dbb expire status"),
    )  # fmt: skip


def _buffer(row: dict[str, Any]) -> list[object]:
    symbol, kind = _LEVELS[Level(row["level"])]
    hours = row["hours_left"]
    told = f"{row['used_percent']} % of {row['capacity_bytes'] / 1e12:,.1f} TB"
    return [
        row["endpoint"],
        sign(symbol, row["level"], kind),
        told,
        bar([(row["used_percent"] / 100, kind)], told),
        f"{row['files']:,}",
        f"{row['busiest_day_bytes'] / 1e12:,.3f} TB",
        "for ever: nothing arrives" if hours is None else f"{hours:,.1f} h",
        f"{row['needed_hours']:,} h",
    ]


def _cache(row: dict[str, Any]) -> list[object]:
    noted = _time(row["noted_at"])
    return [
        row["endpoint"],
        row["rule"],
        f"{row['items']:,}",
        f"{row['bytes'] / 1e9:,.2f}",
        "-" if row["oldest_at"] is None else _time(row["oldest_at"]),
        f"{row['lifetime_days']:,} d",
        "-" if row["next_at"] is None else _time(row["next_at"]),
        sign("?", join(("old: ", noted)), "act") if row["is_old"] else noted,
    ]


def budget_sentence(document: dict[str, Any], now: dt.datetime) -> str:
    """Say whether the budget is kept."""
    loss = document["loss"]
    spent = (
        f"{loss['lost']:,} lost and {loss['suspected']:,} suspected of {loss['allowed']:,g} allowed"
    )
    if not loss["kept"]:
        return f"ACT — {spent}."
    if is_old(document, now):
        return f"UNKNOWN — the last account is of {document['as_of'][:19]}: {spent}."
    return f"SAFE — {spent}." if loss["images"] else "EMPTY — no raw image has arrived yet."


def budget_html(document: dict[str, Any], now: dt.datetime) -> str:
    """Write the page of the loss budget."""
    loss = document["loss"]
    rows = [
        [name.replace("_", " "), "-" if value is None else value] for name, value in loss.items()
    ]
    return page(
        "Loss budget",
        navigation("", "budget", tag("a", "JSON", href="budget?format=json")),
        spoken(budget_sentence(document, now)),
        tag("p", "Summed up at ", _time(document["as_of"]), ", every hour. All times are UTC.", class_="note"),
        *(tag("p", sentence) for sentence in budget_sentences(document)),
        table("Raw images", ["what", "number"], rows),
        table(
            "What was shown last by doing it",
            ["drill", "of", "result", "ended", "units", "seconds"],
            [
                [
                    row["kind"],
                    row["subject"],
                    sign("✓", "passed", "good") if row["result"] == "passed" else sign("▲", "failed", "act"),
                    _time(row["ended_at"]),
                    f"{row['units']:,}",
                    f"{row['seconds']:,.0f}",
                ]
                for row in [*([document["campaign"]] if document["campaign"] else []), *document["drills"]]
            ],
        ),
        Html("") if document["drills"] else tag("p", "No drill is on record: nothing was restored yet.", class_="note"),
        command_line("dbb budget", "dbb drill list"),
    )  # fmt: skip


def replicas_sentence(document: dict[str, Any], now: dt.datetime) -> str:
    """Say whether copies are read in time."""
    rows = document["endpoints"]
    overdue, damaged = (sum(row[name] for row in rows) for name in ("overdue", "damaged_in_period"))
    below = f"{document['units_below']:,} raw units have fewer than {document['copies_wanted']} good copies"
    if overdue:
        return f"ACT — {overdue:,} copies are overdue for reading; {below}."
    if is_old(document, now):
        return f"UNKNOWN — the last sum is of {document['as_of'][:19]}: {below}."
    word = "WAITING" if document["units_below"] else "SAFE"
    return f"{word} — each copy was read in time, {damaged:,} were found damaged; {below}."


def replicas_html(document: dict[str, Any], now: dt.datetime) -> str:
    """Write the page of the map of copies."""
    rows, counts = document["endpoints"], document["units_by_copies"]
    total = sum(counts.values()) or 1
    ages = list(rows[0]["ages"]) if rows else []
    return page(
        "Replicas",
        navigation("", "replicas", tag("a", "JSON", href="replicas?format=json")),
        spoken(replicas_sentence(document, now)),
        tag("p", "Summed up at ", _time(document["as_of"]), ", every hour. All times are UTC.", class_="note"),
        table(
            "Raw units by the number of their good copies",
            ["good copies", "units", "share", ""],
            [
                [number, f"{units:,}", f"{100 * units / total:.2f} %",
                 bar([(units / total, "good" if int(number) >= document["copies_wanted"] else "act")],
                     f"{units:,} of {total:,}")]
                for number, units in counts.items()
            ],
        ),
        table(
            "When copies were last read, at each endpoint: copies by the age of their last reading",
            ["endpoint", "copies", *(f"≤ {age}" if age[0].isdecimal() else age for age in ages), "overdue"],
            [
                [row["endpoint"], f"{row['copies']:,}", *(f"{number:,}" for number in row["ages"].values()),
                 sign("▲", f"{row['overdue']:,}", "act") if row["overdue"] else sign("✓", "none", "good")]
                for row in rows
            ],
        ),
        table(
            "How far reading again is",
            ["endpoint", "within", "the oldest reading", "", "needs MB/s", "read in a day", "damaged in period"],
            [_progress(row, now) for row in rows],
        ),
        command_line("dbb replicas", "dbb scrub status"),
    )  # fmt: skip


def _progress(row: dict[str, Any], now: dt.datetime) -> list[object]:
    oldest, period = row["oldest_reading"], row["period_days"]
    days = 0.0
    if oldest is not None:
        days = (now - dt.datetime.fromisoformat(oldest)).total_seconds() / 86400
    rate = row["needed_bytes_per_s"]
    told = f"{days:,.0f} of {period} days"
    return [
        row["endpoint"],
        f"{period} d",
        _time(oldest),
        bar([(days / period, "act" if row["overdue"] else "good")], told),
        "all there is" if rate is None else f"{rate / 1e6:,.2f}",
        f"{row['last_day']['copies']:,} in {row['last_day']['runs']:,} runs",
        f"{row['damaged_in_period']:,}",
    ]


def _time(text: str | None) -> object:
    return "no time yet" if text is None else dt.datetime.fromisoformat(text)
