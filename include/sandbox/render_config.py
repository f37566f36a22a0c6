"""Fill ``${NAME}`` and ``${NAME:-default}`` in a template, and refuse what is unset.

Used for ``airflow.cfg.template``: a setting that silently became empty would be found at night.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.errors import SandboxError

_PLACEHOLDER = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def render(template: str, values: Mapping[str, str], *, where: str = "template") -> str:
    """Replace every placeholder outside comments; a value may not start a line of its own.

    Parameters
    ----------
    template
        Text with ``${NAME}`` (must be set) or ``${NAME:-default}`` (may be unset).
    values
        What the names stand for, often `os.environ`.
    where
        How to call the template in an error.

    Raises
    ------
    SandboxError
        If a name is unset, or a value has a line break, which could add settings.
    """
    unset: list[str] = []

    def fill(match: re.Match[str]) -> str:
        name: str = match["name"]
        default: str | None = match["default"]
        value = values.get(name, default)
        if value is None:
            unset.append(name)
            return ""
        if "\n" in value or "\r" in value:
            raise SandboxError(
                f"The value of {name} has a line break",
                where=where,
                next_action="Give it in one line.",
            )
        return value

    lines = [
        line if line.lstrip().startswith("#") else _PLACEHOLDER.sub(fill, line)
        for line in template.splitlines(keepends=True)
    ]
    if unset:
        raise SandboxError(
            f"Unset: {', '.join(sorted(set(unset)))}",
            where=where,
            next_action="Set them in the environment and render again.",
        )
    return "".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Render a template with the environment, for sites that install by hand."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.render_config", description=main.__doc__
    )
    parser.add_argument("template", type=Path)
    parser.add_argument("output", type=Path)
    given = parser.parse_args(arguments)
    try:
        text = render(given.template.read_text(), os.environ, where=str(given.template))
    except SandboxError as error:
        sys.stderr.write(f"render_config: {error}\n")
        return 2
    given.output.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
