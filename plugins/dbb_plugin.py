"""The one file of this folder that Airflow reads as a plugin.

It stays light: every Airflow process runs it at its start. What only some of them need is imported
when they ask for it.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin


class DbbPlugin(AirflowPlugin):
    """Announce the Data Backbone to Airflow: its pages, and the links that lead to them."""

    name = "dbb"

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Make the pages, in the API server and nowhere else."""
        from dbb.web.addresses import PREFIX  # noqa: PLC0415
        from dbb.web.app import make_app  # noqa: PLC0415

        return [{"name": "Data Backbone", "app": make_app(), "url_prefix": PREFIX}]

    @property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Put the pages into Airflow's menu; the first of them is the first screen."""
        from dbb.web.menu import menu  # noqa: PLC0415

        return menu()

    @property
    def operator_extra_links(self) -> list[Any]:  # type: ignore[override]
        """List the links; the operators carry them."""
        from dbb.operators.links import ExposuresOfThisChunk, TheNight  # noqa: PLC0415

        return [ExposuresOfThisChunk(), TheNight()]

    @property
    def deadline_references(self) -> list[Any]:  # type: ignore[override]
        """List the moments from which deadlines count that Airflow does not know itself."""
        from dbb.triggers.deadlines import EndOfAcquisition  # noqa: PLC0415

        return [EndOfAcquisition]
