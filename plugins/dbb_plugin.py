"""The one file of this folder that Airflow reads as a plugin.

It stays light: every Airflow process runs it at its start.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin


class DbbPlugin(AirflowPlugin):
    """Announce the Data Backbone to Airflow."""

    name = "dbb"
