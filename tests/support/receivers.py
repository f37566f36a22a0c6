"""What a receiver is given by configuration alone, and an hour that goes to all of them."""

from __future__ import annotations

import copy
import shutil

import yaml
from sqlalchemy import text

from dbb.settings import INCLUDE
from support.conformance_consdb import observation
from support.values_world import exposure

FILES_UKDF = {
    "name": "files-ukdf", "receiver": "ukdf", "what": {"kind": "file"}, "sources": ["usdf"],
}  # fmt: skip
"""What an operator adds to ``policies.yaml`` to have a second receiver of files and values."""


def copy_configuration(folder):
    """Copy the shipped endpoints and policies, to be changed; give the new ``include``."""
    for name in ("endpoints", "policies"):
        shutil.copytree(INCLUDE / name, folder / name)
    return folder


def add_policies(include, *policies):
    """Write policies into the document, as an operator does."""
    path = include / "policies" / "policies.yaml"
    document = yaml.safe_load(path.read_text())
    document["policies"] += [copy.deepcopy(each) for each in policies]  # an alias is no strict YAML
    path.write_text(yaml.safe_dump(document))


def publish_hour(values, ledger, hour):
    """Archive an hour with an exposure; publish its values, and what its header says.

    Parameters
    ----------
    values
        A ``ValuesWorld``; its hours count from its begin.
    ledger, hour
        The archive's, and which one. The first hour has no look-back, hence no values.
    """
    values.telemetry(1, hour, step_s=15)
    values.expose(exposure(hour, hour))
    values.at(hour + 1)
    values.extract(max(hour - 1, 0), hour + 1)
    values.transform()
    ledger.observe([observation(hour)])


def count_from(ledgers, number):
    """Let numbers begin anywhere: in the sandbox's Rucio, names of an earlier test are taken for ever."""
    for each in ledgers:
        with each.transaction() as connection:
            for words in (
                "update efd_publication_counter set last = :number",
                "update efd_cell set claimed = :number",
            ):
                connection.execute(text(words), {"number": number})
