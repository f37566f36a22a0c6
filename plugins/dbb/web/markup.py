"""HTML in which everything is escaped that is not HTML already."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dbb.printable import show

STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
STYLE_SHA256 = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


class Html(str):
    """Mark text that is HTML; only this module and literals make it."""

    __slots__ = ()


def safe(content: object) -> Html:
    """Escape a value for an element or an attribute; HTML stays as it is.

    What is not printable (control characters, marks that reverse the direction of writing) becomes
    visible, as on the command line.
    """
    if isinstance(content, Html):
        return content
    if isinstance(content, dt.datetime):
        utc = content.astimezone(dt.UTC)
        return Html(f'<time datetime="{utc:%Y-%m-%dT%H:%M:%SZ}">{utc:%Y-%m-%d %H:%M:%S}</time>')
    return Html(html.escape(show(content)))


def exactly(time: dt.datetime) -> Html:
    """Show a time with its milliseconds."""
    text = time.astimezone(dt.UTC).isoformat(sep=" ", timespec="milliseconds").partition("+")[0]
    return Html(f'<time datetime="{text.replace(" ", "T")}Z">{text}</time>')


def join(parts: Iterable[object], between: str = "") -> Html:
    """Escape and join parts."""
    return Html(between.join(map(safe, parts)))


def tag(name: str, /, *content: object, **attributes: str) -> Html:
    """Make an element; a trailing underscore of an attribute's name is dropped (``class_``)."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(value)}"'
        for key, value in attributes.items()
        if value
    )
    return Html(f"<{name}{given}>{join(content)}</{name}>")


def sign(symbol: str, word: object, kind: str) -> Html:
    """Show a word with its symbol; ``kind`` adds the colour, which never speaks alone."""
    return tag("span", tag("span", symbol, aria_hidden="true"), " ", word, class_=f"sign {kind}")


def sentence(text: str) -> Html:
    """Show a sentence whose commands stand in backquotes."""
    pieces = text.split("`")
    return join(tag("code", piece) if number % 2 else piece for number, piece in enumerate(pieces))


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    """Make a table whose first column names the row; nothing where there are no rows."""
    if not rows:
        return Html("")
    head = tag("tr", *(tag("th", column, scope="col") for column in columns))
    body = join(
        tag("tr", tag("th", row[0], scope="row"), *(_cell(cell) for cell in row[1:]))
        for row in rows
    )
    parts = (tag("caption", caption), tag("thead", head), tag("tbody", body))
    whole = tag("table", *parts, class_="many" if len(columns) > 5 else "")
    # A keyboard can scroll what can be focused.
    return tag("div", whole, class_="wide", role="region", tabindex="0", aria_label=caption)


LONGEST_NAME = 40
"""Characters of a name that may break between its parts only."""


def _cell(content: object) -> Html:
    """Make a cell; what reads as a sentence gets room, and a name breaks between its parts."""
    blanks = content.count(" ") if isinstance(content, str) else 0
    if blanks > (8 if isinstance(content, Html) else 2):  # elements have blanks of their own
        return tag("td", content, class_="prose")
    if type(content) is not str:
        return tag("td", content)
    parts = Html(re.sub("(?<=[_/])(?=.)", "<wbr>", safe(content)))
    return tag("td", parts, class_="long" if len(content) > LONGEST_NAME else "")


def page(title: str, navigation: Html, *content: object) -> str:
    """Make a whole page, without scripts and without anything from elsewhere."""
    head = join(
        (
            Html('<meta charset="utf-8">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            tag("title", f"{title} · Data Backbone"),
            Html(f"<style>{STYLE}</style>"),
        )
    )
    body = join((tag("nav", navigation, aria_label="Pages"), tag("main", *content)))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'
