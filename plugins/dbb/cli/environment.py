"""Where ``DBB_*`` come from: the environment first, else the file that the sandbox writes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from dbb.errors import PolicyUnreadable

ROOT = Path(__file__).resolve().parents[3]
LEADING = "DBB_LEDGER_URL"
"""The variable without which no command works: where it is set, the file is not looked at."""


def read_environment(
    environment: Mapping[str, str] = os.environ, root: Path = ROOT
) -> tuple[dict[str, str], Path | None]:
    """Give the variables, and the sandbox's file if they come from there.

    Raises
    ------
    PolicyUnreadable
        If the sandbox's file is not KEY=VALUE.
    """
    chosen = environment.get("DBB_SANDBOX_DIR")
    path = (root / chosen if chosen else root / ".sandbox") / "env"
    if environment.get(LEADING) or not path.is_file():
        return dict(environment), None
    return {**_read(path), **environment}, path


def _read(path: Path) -> dict[str, str]:
    values = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        key, equals, value = line.partition("=")
        words = shlex.split(value)
        if not equals or len(words) > 1:
            raise PolicyUnreadable.for_file(str(path), f"line {number} is not KEY=VALUE")
        values[key] = "".join(words)
    return values
