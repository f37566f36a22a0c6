"""The quarantine: what is held by code, choosing many, reading the plan, applying it."""

from __future__ import annotations

from collections.abc import Sequence

from dbb.flows.quarantine import QuarantineReport
from dbb.model.plan import Plan
from dbb.model.quarantine import Decision, Refusal
from dbb.web.layout import ageing, command_line, navigation, read_at
from dbb.web.markup import Html, join, page, sentence, sign, table, tag
from dbb.web.signs import headline, spoken

SHOWN = 100
"""Items of a code that are listed; all of a code can be chosen nevertheless."""


def quarantine_html(report: QuarantineReport, query: str, token: str) -> str:
    """Write the page; without a token there is nothing to choose."""
    address = f"quarantine{query}"
    head = report.sentence.partition(" — ")[0]
    verdict = spoken(report.sentence)
    groups = [_group(code, items, may=bool(token)) for code, items in report.groups.items()]
    asks = [_ask(), *groups] if token and report.held else groups
    body = join(asks)
    if token and report.held:
        hidden = _hidden(token=token, query=query)
        body = tag("form", hidden, body, method="post", action="quarantine/plan")
    return page(
        f"Quarantine: {head}",
        navigation(
            "", "quarantine", tag("a", "JSON", href=f"{address}{'&' if query else '?'}format=json")
        ),
        ageing(verdict, report.as_of, address),
        read_at(report.as_of, address),
        _filters(report, query),
        Html("") if token else tag("p", "Your role may look here, and not decide.", class_="note"),
        body,
        command_line("dbb quarantine list"),
    )


def _filters(report: QuarantineReport, query: str) -> Html:
    if query:
        return tag("p", tag("a", "Show all that is held", href="quarantine"))
    nights = sorted({item.day_obs for item in report.refusals}, reverse=True)[:14]
    if len(nights) < 2:
        return Html("")
    links = (tag("a", night, href=f"quarantine?day_obs={night}") for night in nights)
    return tag("p", "Of one night: ", join(links, " "), class_="choices")


def _ask() -> Html:
    choice = join(
        tag("label", _input("radio", "action", word), f" {does} ")
        for word, does in (
            ("release", "release: put back on its way, to be judged again"),
            ("reject", "reject: not wanted, the bytes stay where they are"),
        )
    )
    why = tag(
        "label",
        "Why? ",
        _input("text", "why", "", maxlength="300", size="40", required="required"),
    )
    button = tag("button", "Show the plan", type="submit")
    return tag(
        "fieldset",
        tag("legend", "Decide on what is ticked below"),
        tag("p", choice),
        tag("p", why),
        button,
    )


def _input(kind: str, name: str, value: str, **more: str) -> Html:
    made = tag("input", type=kind, name=name, **({"value": value} if value else {}), **more)
    return Html(made.removesuffix("</input>"))


def _hidden(**fields: str) -> Html:
    return join(_input("hidden", name, value) for name, value in fields.items() if value)


def _group(code: str, items: Sequence[Refusal], *, may: bool) -> Html:
    held = [item for item in items if item.decision is Decision.HELD]
    more = len(items) - SHOWN
    everything = (
        tag("p", tag("label", _input("checkbox", "code", code), f" all {len(held):,} of {code}"))
        if may and held
        else Html("")
    )
    rows = [
        [
            _tick(item, may=may),
            tag("a", item.unit.rpartition("/")[2], href=f"night/{item.day_obs}"),
            item.endpoint,
            item.name.rpartition("/")[2] or "-",
            item.found_at,
            item.reason,
            sign("▲", item.decision, "act")
            if item.decision is Decision.HELD
            else sign("✓", item.decision, "none"),
        ]
        for item in items[:SHOWN]
    ]
    return join(
        (
            tag("h2", f"{code}: {len(items):,}"),
            tag(
                "p",
                sentence(items[0].next_action),
                " Read ",
                tag("code", f"docs/operate/{code}.md"),
                ".",
            ),
            everything,
            table(
                f"Items of {code}",
                ["refusal", "of", "endpoint", "file", "found", "reason", "decision"],
                rows,
            ),
            tag("p", f"{more:,} more are not listed.", class_="note") if more > 0 else Html(""),
        )
    )


def _tick(item: Refusal, *, may: bool) -> Html:
    short = tag("code", item.refusal_id[:12])
    if not may or item.decision is not Decision.HELD:
        return short
    return tag("label", _input("checkbox", "id", item.refusal_id), " ", short)


def plan_html(plan: Plan, action: str, why: str, token: str) -> str:
    """Show what would be done, with the button that does it."""
    fields = join(
        (
            _hidden(token=token, action=action, why=why, plan=plan.sha256),
            *(_hidden(id=line.subject) for line in plan.lines),
        )
    )
    button = tag("button", f"{action.capitalize()} {len(plan.lines):,}", type="submit")
    return page(
        f"Plan: {action} {len(plan.lines)}",
        navigation("../", "quarantine"),
        headline("ACT", tag("strong", "Plan"), f" — {action} {len(plan.lines):,}. Nothing is changed yet."),
        tag("p", "Because: ", why),
        tag("p", "Plan ", tag("code", plan.sha256[:12]), class_="note"),
        table(
            "What would be done",
            ["refusal", "action", "what"],
            [[tag("code", line.subject[:12]), line.action, line.detail] for line in plan.lines],
        ),
        tag("form", fields, button, " ", tag("a", "Back, change nothing", href="../quarantine"),
            method="post", action="apply"),
    )  # fmt: skip


def done_html(done: Sequence[tuple[str, str, bool]]) -> str:
    """Say what was done."""
    failed = sum(not is_done for _, _, is_done in done)
    word = "ACT" if failed else "SAFE"
    return page(
        "Decided",
        navigation("../", "quarantine"),
        headline(
            word,
            tag("strong", f"{len(done) - failed:,} of {len(done):,} decided"),
            " — what was not done stands on top." if failed else "",
        ),
        table(
            "What was done",
            ["refusal", "result", "what"],
            [
                [
                    tag("code", refusal_id[:12]),
                    sign("✓", "done", "good") if is_done else sign("▲", "not done", "act"),
                    sentence(what),
                ]
                for refusal_id, what, is_done in sorted(done, key=lambda each: each[2])
            ],
        ),
        tag("p", tag("a", "Back to the quarantine", href="../quarantine")),
    )
