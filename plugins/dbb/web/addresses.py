"""Where the pages are; Airflow's links to them and the pages' own mounting agree on it here."""

from __future__ import annotations

from urllib.parse import urlencode

PREFIX = "/dbb"
"""Where Airflow's API server mounts the pages."""


def night_address(day_obs: str, first: str = "", last: str = "") -> str:
    """Give the address of a night's page, or of the part of it from one exposure to another."""
    wanted = {name: value for name, value in (("first", first), ("last", last)) if value}
    query = f"?{urlencode(wanted)}" if wanted else ""
    return f"{PREFIX}/night/{day_obs}{query}"


def exposure_address(obs_id: str) -> str:
    """Give the address of an exposure's page."""
    return f"{PREFIX}/exposure/{obs_id}"
