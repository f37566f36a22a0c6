"""The parameters of the EFD's DAG."""

from __future__ import annotations

from airflow.sdk import Param


def efd_params() -> dict[str, Param]:
    """Give them."""
    return {
        "look_back_h": Param(
            192, type="integer", minimum=0, maximum=2400, description="Hours that are compared."
        ),
        "limit_s": Param(
            2400, type="integer", minimum=1, maximum=3300, description="Seconds of extracting."
        ),
        "accept_interval": Param(
            "",
            type="string",
            pattern=r"^([A-Za-z0-9_]+/\d{4}-\d\d-\d\dT\d\d)?$",
            description="A refused interval to publish all the same, LSSTCam/2026-11-22T03.",
        ),
        "accept_reason": Param(
            "",
            type="string",
            maxLength=300,
            description="Why it is right; it is recorded with the publication.",
        ),
    }
