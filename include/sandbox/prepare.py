"""Give the sandbox's sites what a production site has already: a ledger, Butler repositories."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dbb.flows.policy_apply import apply_policies
from dbb.flows.policy_plan import INFRASTRUCTURE, plan_policies
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.instruments import load_instruments
from dbb.model.endpoint import Role
from dbb.settings import Settings
from dbb.wiring.backbone import open_backbone, open_policies
from dbb.wiring.base import open_ledger


def prepare(settings: Settings) -> None:
    """Bring the ledger's schema up to date and make what repositories are missing."""
    applied = open_ledger(settings, "sandbox").migrate()
    print(f"ledger                  {applied} migrations applied", flush=True)
    known = load_instruments()
    instruments = [known[name] for name in settings.raw.instruments]
    source = settings.resolve(settings.endpoint(settings.raw.source).store_url)
    if source.startswith("file:"):
        Path(url2pathname(urlsplit(source).path)).mkdir(parents=True, exist_ok=True)
    homes = (Role.ARCHIVE, Role.FACILITY, Role.CACHE)
    for name in [place.name for place in settings.endpoints.values() if place.role in homes]:
        root = settings.resolve(settings.endpoint(name).butler)
        database = settings.environment.get(f"DBB_BUTLER_DB_{name.upper()}")
        create_repository(root, instruments, registry_url=database, run=settings.raw.run)
        print(f"butler repository       {root}", flush=True)
    _apply_policies(settings)


def _apply_policies(settings: Settings) -> None:
    """Have Rucio do what the policies say; what it means for data, a person applies."""
    backbone, rucio = open_backbone(settings, "sandbox"), open_policies(settings)
    plan = plan_policies(backbone, settings.endpoints, rucio)
    apply_policies(backbone, settings.endpoints, rucio, plan.sha256, actions=INFRASTRUCTURE)
    changes = len(plan.of(*INFRASTRUCTURE))
    print(f"policies                {changes} changes applied in Rucio", flush=True)


if __name__ == "__main__":
    prepare(Settings.load())
    sys.exit(0)
