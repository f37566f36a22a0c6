"""The steps of a chunk at the archive: land, judge, register; read again and, last, release the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.registration import register_units
from dbb.flows.releasing import read_again, release_units
from dbb.hooks.expectations import judge_records
from dbb.operators.backbone_operator import ChunkOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from dbb.flows.backbone import Backbone


class CheckAndLandExposures(ChunkOperator):
    """Read and judge each file, bundle the good exposures, read the bundles back."""

    action = "check-and-land"

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Call the flow."""
        return land_units(backbone, self.units)


class JudgeExposureRecords(ChunkOperator):
    """Hold the exposure records against the expectation suite before anybody can see them."""

    action = "judge-exposure-records"

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Call the flow; Great Expectations is loaded only where there is something to judge."""
        ungated = find_ungated(backbone, self.units)
        if not ungated:
            return {"passed": 0, "refused": 0}
        failures: dict[str, str] = {}
        for judgement in judge_records(ungated, backbone.instruments):
            backbone.ledger.note_expectations(
                judgement.day_obs,
                judgement.instrument,
                judgement.suite,
                judgement.exposures,
                len(judgement.failures),
                judgement.detail,
            )
            failures |= judgement.failures
        return apply_gate(backbone, [row.unit for row, _ in ungated], failures)


class RegisterInRucio(ChunkOperator):
    """Tell Rucio what the archive holds, and ask for the copies elsewhere."""

    action = "register-in-rucio"

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Call the flow."""
        return register_units(backbone, self.units)


class ReadArchiveCopiesAgain(ChunkOperator):
    """Read the archive's copies a second time from the disk, before the source lets go."""

    action = "read-archive-copies-again"

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Call the flow."""
        return read_again(backbone, self.units)


class ReleaseSourceCopies(ChunkOperator):
    """Delete the source's files of exposures that are safe at enough endpoints."""

    action = "release-source-copies"

    def work(self, backbone: Backbone, context: Context) -> dict[str, int]:  # noqa: ARG002
        """Call the flow."""
        return release_units(backbone, self.units)
