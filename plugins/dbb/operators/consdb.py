"""The steps of the DAG ``consdb_check``: fill a night's observing metadata, hold it against the rules."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dbb.errors import ConsdbRuleBroken
from dbb.flows.consdb import check_night, nights_to_check
from dbb.flows.observing import fill_nights
from dbb.model.consdb_rules import RuleSeverity
from dbb.operators.backbone_operator import open_for_run
from dbb.operators.nights import night_of_run
from dbb.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.consdb import Consdb
    from dbb.flows.reconcile_views import Findings

log = logging.getLogger(__name__)


def ports_for_run(context: Context) -> tuple[Consdb, Findings]:
    """Open what the check needs beside the backbone."""
    from dbb.wiring.efd import open_consdb  # noqa: PLC0415 - inside tasks only
    from dbb.wiring.keeping import open_findings  # noqa: PLC0415 - inside tasks only

    settings = Settings.load()
    return open_consdb(settings, context["run_id"]), open_findings(settings)


class FillTheNight(BaseOperator):
    """Publish what observing metadata of the night's published exposures is not there."""

    def execute(self, context: Context) -> dict[str, int]:
        """Call the flow; give its counts."""
        return fill_nights(open_for_run(context), [night_of_run(context)])


class CheckTheNight(BaseOperator):
    """Hold the night against the consistency rules, and others with open findings of them."""

    def execute(self, context: Context) -> dict[str, Any]:
        """Give the nights, and the number of exposures that break each rule.

        Raises
        ------
        ConsdbRuleBroken
            If the run's own night breaks a rule whose severity is *error*; all findings are recorded.
        """
        backbone, (consdb, findings) = open_for_run(context), ports_for_run(context)
        own = night_of_run(context)
        nights = nights_to_check(findings, own)
        told: dict[str, int] = {}
        errors: list[str] = []
        for night in nights:
            for each in check_night(backbone, consdb, findings, night):
                if each.broken:
                    told[f"{night} {each.instrument} {each.rule.kind}"] = len(each.broken)
                if each.broken and night == own and each.rule.severity is RuleSeverity.ERROR:
                    errors.append(str(each))
        log.info("action=consdb-check nights=%d broken=%s", len(nights), told or "none")
        if errors:
            raise ConsdbRuleBroken.for_night(str(own), errors)
        return {"nights": [night.value for night in nights], "broken": told}
