"""What drills burn down and rebuild."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dbb.errors import SettingMissing
from dbb.hooks.engine import open_engine
from dbb.hooks.instruments import load_instruments
from dbb.hooks.ledger import SqlLedger
from dbb.settings import Settings
from dbb.wiring.base import SystemClock, open_ledger

if TYPE_CHECKING:
    from dbb.flows.drilling import Scratch
    from dbb.hooks.drills import SqlDrills


def open_drills(settings: Settings, actor: str) -> SqlDrills:
    """Open what the ledger's database knows of drills."""
    from dbb.hooks.drills import SqlDrills  # noqa: PLC0415 - drills alone

    return SqlDrills(open_ledger(settings, actor))


def open_scratch(settings: Settings, name: str) -> Scratch:
    """Open a place that may be wiped.

    Raises
    ------
    NotScratch
        If its file does not say so, or it lies where another place does. Nothing is opened then.
    """
    from dbb.flows.drilling import Scratch, check_scratch  # noqa: PLC0415 - drills alone
    from dbb.hooks.stores import open_store  # noqa: PLC0415 - it may import boto3

    endpoint = settings.endpoint(name)
    check_scratch(endpoint, (), {})  # its role, before anything is looked up
    mine = [settings.resolve(endpoint.store_url), settings.resolve(endpoint.butler)]
    check_scratch(endpoint, mine, _roots_of_others(settings, name))
    from dbb.hooks.scratch_repository import ButlerScratch  # noqa: PLC0415 - a slow import

    known = load_instruments()
    return Scratch(
        endpoint,
        open_store(mine[0]),
        ButlerScratch(
            mine[1],
            [known[each] for each in settings.raw.instruments],
            settings.raw.run,
            settings.environment.get(f"DBB_BUTLER_DB_{name.upper()}", ""),
        ),
    )


def _roots_of_others(settings: Settings, name: str) -> dict[str, str]:
    """Name the owner of each store and repository that has an address here."""
    roots = {settings.environment.get("DBB_STORE_LFA", ""): "the Large File Annex"}
    for other in settings.endpoints.values():
        for template in (other.store_url, other.butler):
            try:
                root = settings.resolve(template)
            except SettingMissing:
                continue  # a place that this installation does not serve
            if other.name != name:
                roots[root] = other.name
    roots.pop("", None)
    return roots


def open_spare_ledger(folder: Path) -> SqlLedger:
    """Make an empty ledger in a folder, for a drill."""
    ledger = SqlLedger(open_engine(f"sqlite:///{folder}/ledger.sqlite"), SystemClock(), "drill")
    ledger.migrate()
    return ledger
