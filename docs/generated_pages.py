"""Pages that are made from the code: every DAG with its parameters, every SQL statement."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

_LIMITS = ("minimum", "maximum", "enum", "pattern", "minLength", "maxLength")


def write_pages(root: Path, folder: Path) -> None:
    """Write ``dags.md`` and ``sql.md``; a file that is right already is left alone."""
    folder.mkdir(exist_ok=True)
    pages = {"dags.md": dags_page(root / "dags"), "sql.md": sql_page(root / "include" / "sql")}
    for name, text in pages.items():
        page = folder / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def dags_page(folder: Path) -> str:
    """Describe each DAG as Airflow's own page does."""
    from airflow.dag_processing.dagbag import BundleDagBag  # noqa: PLC0415 - a slow import

    logging.getLogger("airflow").setLevel(logging.ERROR)
    bag = BundleDagBag(dag_folder=str(folder), bundle_path=folder, bundle_name="dags-folder")
    if bag.import_errors:
        raise RuntimeError(str(bag.import_errors))
    lines = ["# The DAGs", "", "Made from `dags/`: what Airflow shows of each.", ""]
    for name in sorted(bag.dags):
        lines += _dag(bag.dags[name])
    return "\n".join(lines) + "\n"


def _dag(dag: Any) -> list[str]:
    lines = [
        f"## `{dag.dag_id}`",
        "",
        f"It {_schedule(dag)}. Tags: {', '.join(sorted(dag.tags))}.",
        "",
    ]
    # The manual's own headings stand below the DAG's, and its links start at the project's root.
    lines += [dag.doc_md.strip().replace("](docs/", "](../../"), ""]
    if dag.params:
        lines += ["| parameter | default | type | limits | what it is |", "|---|---|---|---|---|"]
    for name in sorted(dag.params):
        param = dag.params.get_param(name)
        limits = {k: param.schema[k] for k in _LIMITS if k in param.schema}
        told = ", ".join(f"{key} `{value}`" for key, value in limits.items())
        cells = (
            f"`{name}`",
            f"`{param.value}`",
            param.schema.get("type", "enum"),
            told,
            param.description,
        )
        lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return [*lines, ""]


def _schedule(dag: Any) -> str:
    """Say in words when a DAG runs."""
    if dag.schedule is None:
        return "runs when it is triggered"
    timetable = getattr(dag.schedule, "timetable", dag.schedule)
    woken = ", and when its asset is updated" if timetable is not dag.schedule else ""
    return f"runs by `{timetable.expression}` (UTC){woken}"


def _cell(value: object) -> str:
    text = " or ".join(value) if isinstance(value, list) else str(value)
    return text.replace("|", "\\|")


def sql_page(folder: Path) -> str:
    """List each statement with what its first comment says."""
    lines = [
        "# The SQL statements",
        "",
        "Made from `include/sql/`: one statement a file, with its parameters and the index that it uses.",
        "",
        "| statement | what it does |",
        "|---|---|",
    ]
    for path in sorted(folder.rglob("*.sql")):
        comment = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("--"):
                break
            comment.append(line.removeprefix("--").strip())
        lines.append(f"| `{path.relative_to(folder)}` | {_cell(' '.join(comment))} |")
    return "\n".join(lines) + "\n"
