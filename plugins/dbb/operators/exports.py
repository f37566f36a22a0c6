"""The steps of an export: pin and count it, ask where it is large, make it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, Param
from airflow.sdk.exceptions import DownstreamTasksSkipped

from dbb.flows.exporting import make_export, plan_export
from dbb.model.export import ExportOrder
from dbb.operators.backbone_operator import open_for_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.export_ports import ExportPorts

log = logging.getLogger(__name__)

APPROVAL_BYTES = 1_000_000_000_000
"""Exports over a terabyte are made only when a person has agreed; ``DBB_EXPORT_APPROVAL_BYTES`` says otherwise."""

_FIELDS = (
    "name", "endpoint", "collections", "dataset_types", "where", "bind", "find_first", "owner",
    "title", "licence", "ends_on", "since", "since_export",
)  # fmt: skip


def export_params(archive: str, endpoints: tuple[str, ...]) -> dict[str, Param]:
    """Describe what a run is asked for."""
    words: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    return {
        "name": Param(
            "", type="string", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,79})?$",
            description="The export's name, and its folder's below DBB_EXPORT_ROOT.",
        ),
        "endpoint": Param(
            archive, type="string", enum=list(endpoints), description="Whose datasets are taken."
        ),
        "collections": Param(
            ["LSSTCam/defaults"], description="Where Butler looks, in order.", **words
        ),
        "dataset_types": Param(["raw"], description="Which dataset types.", **words),
        "where": Param("", type="string", description="An expression of Butler's query language."),
        "bind": Param(
            {}, type="object", additionalProperties={"type": ["string", "number", "boolean"]},
            description="Values of the names in `where`.",
        ),
        "find_first": Param(
            default=False, type="boolean", description="Only the first collection that has it."
        ),
        "owner": Param("", type="string", description="Who answers for it; you must say."),
        "title": Param("", type="string", description="What it is."),
        "licence": Param("", type="string", description="An SPDX name or a URL."),
        "ends_on": Param("", type="string", pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="YYYY-MM-DD: when nobody needs it any more."),
        "since": Param(
            "", type="string", pattern=r"^[0-9T:.Z +-]*$",
            description="A time (ISO 8601, UTC): only what the endpoint serves since then.",
        ),
        "since_export": Param(
            "", type="string", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,79})?$",
            description="Only what this earlier export below DBB_EXPORT_ROOT does not have.",
        ),
        "leave_out": Param(
            default=False, type="boolean",
            description="List what is not available in the bag, instead of refusing.",
        ),
    }  # fmt: skip


def _open(context: Context) -> ExportPorts:
    from dbb.wiring.keeping import open_exports  # noqa: PLC0415 - clients are imported inside tasks only

    return open_exports(Settings.load(), context["run_id"])


def _order(context: Context) -> ExportOrder:
    return ExportOrder.parse({name: context["params"][name] for name in _FIELDS})


def _root() -> Path:
    return Path(Settings.load().value("DBB_EXPORT_ROOT"))


class PlanExport(BaseOperator):
    """Pin what is wanted, and count it; where it is little, nobody is asked.

    Parameters
    ----------
    approval
        The step that asks a person.
    """

    def __init__(self, *, approval: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval = approval

    def execute(self, context: Context) -> dict[str, int]:
        """Give the number of datasets, files and bytes."""
        order = _order(context)
        leave_out = bool(context["params"]["leave_out"])
        totals = plan_export(
            open_for_run(context), _open(context), order, _root(), leave_out=leave_out
        )
        datasets, files, size = totals
        line = f"{order.name} for {order.owner}: {datasets:,} datasets, {files:,} files, {size:,} bytes"
        log.info("action=plan-export %s", line)
        context["ti"].xcom_push(key="lines", value=line)
        limit = int(Settings.load().environment.get("DBB_EXPORT_APPROVAL_BYTES", APPROVAL_BYTES))
        if size <= limit:
            raise DownstreamTasksSkipped(tasks=[self.approval])  # type: ignore[no-untyped-call]
        return {"datasets": datasets, "files": files, "bytes": size}


class MakeExport(BaseOperator):
    """Copy what was pinned, vouch for it, read it back, and give it its name; go on after a failure."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Give what was made. A large export was approved before."""
        made = make_export(
            open_for_run(context), _open(context), _order(context), _root(),
            leave_out=bool(context["params"]["leave_out"]), tell=_Progress().tell,
        )  # fmt: skip
        for unit in made.unserved:
            log.warning("action=make-export unserved=%s reason=it may belong to the export", unit)
        return {
            "place": made.place,
            "datasets": made.datasets,
            "bytes": made.size_bytes,
            "moved_bytes": made.moved_bytes,
            "left_out": made.left_out,
        }


class _Progress:
    """Log each tenth."""

    def __init__(self) -> None:
        self._said = -1

    def tell(self, what: str, done: int, total: int) -> None:
        """Take note of one file."""
        tenth = 10 * done // max(total, 1)
        if tenth > self._said:
            self._said = tenth
            log.info("action=make-export done=%d of=%d file=%s", done, total, what)
