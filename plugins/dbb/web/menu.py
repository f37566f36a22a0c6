"""The pages' entries in Airflow's menu."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.configuration import conf

from dbb.web.addresses import PREFIX
from dbb.web.layout import PAGES

CATEGORY = "browse"
FIRST = "nights"


def menu() -> list[dict[str, Any]]:
    """List the entries: the first screen stands in the menu itself, the others below *Browse*."""
    base_url = str(conf.get("api", "base_url", fallback=""))
    root = urlsplit(base_url).path.rstrip("/")
    return [
        {
            "name": "Data Backbone" if address == FIRST else f"Data Backbone: {name}",
            "href": f"{root}{PREFIX}/{address}",
            "destination": "nav",
            "url_route": f"dbb-{address}",
            **({"nav_top_level": True} if address == FIRST else {"category": CATEGORY}),
        }
        for address, name in PAGES.items()
    ]
