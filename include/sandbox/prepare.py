"""Give the sandbox's sites what a production site has already: a ledger, Butler repositories."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dbb.hooks.butler_setup import create_repository
from dbb.hooks.instruments import load_instruments
from dbb.settings import Settings
from dbb.wiring import open_ledger


def prepare(settings: Settings) -> None:
    """Bring the ledger's schema up to date and make what repositories are missing."""
    applied = open_ledger(settings, "sandbox").migrate()
    print(f"ledger                  {applied} migrations applied", flush=True)
    known = load_instruments()
    instruments = [known[name] for name in settings.raw.instruments]
    source = settings.resolve(settings.endpoint(settings.raw.source).store_url)
    if source.startswith("file:"):
        Path(url2pathname(urlsplit(source).path)).mkdir(parents=True, exist_ok=True)
    for name in settings.raw.publishers:
        root = settings.resolve(settings.endpoint(name).butler)
        database = settings.environment.get(f"DBB_BUTLER_DB_{name.upper()}")
        create_repository(root, instruments, registry_url=database, run=settings.raw.run)
        print(f"butler repository       {root}", flush=True)


if __name__ == "__main__":
    prepare(Settings.load())
    sys.exit(0)
