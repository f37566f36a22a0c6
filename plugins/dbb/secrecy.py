"""Keep secrets out of whatever is written: errors, traces, and each line that any library logs.

Who writes it does not matter: libraries tell addresses, headers and answers at DEBUG, and databases tell
addresses in errors. So there is one place that knows the secrets of this process, and two that ask it:
the root of our errors, and the factory of Python's log records.

========================  ==========================================================================
in the environment        what of it is secret
========================  ==========================================================================
``…PASSWORD``, ``…KEY``…  the value
an address                the password, and values of its query that are named so
a webhook's address       its path, all of it and its end: who knows it may write there
a connection of Airflow,  the same of its address or its document
arguments of a backend
========================  ==========================================================================

What comes from elsewhere, such as the key in a connection that a secrets backend has, is told by `remember`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK = "***"
SHORTEST = 8
"""Anything shorter is found in words that are none, and cannot be hidden by its value."""

_SECRET_NAME = re.compile(
    r"PASS(WORD|WD|PHRASE|$)|SECRET(?!S)|TOKEN|WEBHOOK|CREDENTIAL|(^|_)KEY(_|$)"
)
_NO_SECRET_NAME = re.compile(r"_(ID|DIR|FILE|PATH|CMD)$|^DBB_EXPORT_KEY$")
"""Names of files and of keys; ``DBB_EXPORT_KEY`` is a file too."""

_USER_INFO = re.compile(r"(?<=://)([^\s/?#@:'\"]*):([^\s/?#'\"]*)@")
_SIGNATURE = re.compile(
    r"(X-Amz-(?:Signature|Security-Token)['\"]?(?:=|:\s*)(?:b?['\"])?)[^&\s'\"<>]+", re.IGNORECASE
)
"""Of an address, or of a header: keys that nobody told us, such as those of a machine in a cloud, come with one."""

_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def secrets_of(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Give the secrets that an environment holds, by the names of its variables."""
    found = {name: list(_secrets_in(name, value)) for name, value in environment.items() if value}
    return {name: values for name, values in found.items() if values}


def remember(*secrets: str) -> None:
    """Hide some values, however an address would spell them, from now on."""
    global _pattern  # noqa: PLW0603 - one a process, as the logging that it serves
    forms = {
        form
        for secret in secrets
        if len(secret) >= SHORTEST
        for form in (
            secret,
            quote(secret, safe=""),
            quote(secret),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
        )
    }
    if forms <= _known:
        return
    _known.update(forms)
    # The longest first: what is a part of another secret must not leave the rest of that one.
    longest_first = sorted(_known, key=lambda form: (-len(form), form))
    _pattern = re.compile("|".join(map(re.escape, longest_first)))


def remember_environment(environment: Mapping[str, str]) -> None:
    """Hide whatever is secret in an environment."""
    remember(*(secret for values in secrets_of(environment).values() for secret in values))


def hidden() -> list[str]:
    """Give what is hidden, as it may be spelt; for whoever hides it besides."""
    return sorted(_known)


def conceal(text: str) -> str:
    """Give a text without secrets: the known ones, and the password of any address."""
    text = _USER_INFO.sub(rf"\1:{MASK}@", text)
    text = _SIGNATURE.sub(rf"\1{MASK}", text)
    return _pattern.sub(MASK, text) if _pattern else text


def guard_logs(environment: Mapping[str, str]) -> None:
    """Have each record of Python's logging, of whichever library, made without secrets; again is no-op."""
    remember_environment(environment)
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _ConcealingFactory):
        logging.setLogRecordFactory(_ConcealingFactory(factory))


class _ConcealingFactory:
    """Make log records; those that hold a secret are written out at once, without it."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **kwargs)
        try:
            told = record.getMessage()
        except Exception:  # noqa: BLE001 - logging says so itself, with the arguments as they are
            told = f"{record.msg} {record.args!r}"
        concealed = conceal(told)
        if concealed != told:
            record.msg, record.args = concealed, ()
        if record.exc_info and record.exc_info[1] is not None:
            trace = "".join(traceback.format_exception(*record.exc_info))
            if (without := conceal(trace)) != trace:
                record.msg, record.args = f"{concealed}\n{without.rstrip()}", ()
                record.exc_info = None
        return record


def _secrets_in(name: str, value: str) -> Iterator[str]:
    if name.startswith("AIRFLOW_") and value.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            yield from _secrets_in_document(json.loads(value))
        return
    if "://" in value:
        yield from _secrets_in_address(value)
    if "WEBHOOK" in name:
        parts = urlsplit(value)
        yield f"{parts.path}?{parts.query}" if parts.query else parts.path
        yield parts.path.rpartition("/")[2]
    elif _is_secret(name):
        yield value


def _secrets_in_address(value: str) -> Iterator[str]:
    for match in _USER_INFO.finditer(value):
        yield from {match[2], unquote(match[2])}
    yield from _named(parse_qsl(value.partition("?")[2]))


def _secrets_in_document(document: object) -> Iterator[str]:
    if isinstance(document, Mapping):
        texts = [(key, value) for key, value in document.items() if isinstance(value, str)]
        yield from _named(texts)
        for key, value in document.items():
            if key == "extra" and isinstance(value, str):  # a document in a document
                with contextlib.suppress(ValueError):
                    yield from _secrets_in_document(json.loads(value))
            else:
                yield from _secrets_in_document(value)
    elif isinstance(document, str) and "://" in document:
        yield from _secrets_in_address(document)


def _named(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for key, value in pairs:
        if _is_secret(key.upper()):
            yield value


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _NO_SECRET_NAME.search(name)
