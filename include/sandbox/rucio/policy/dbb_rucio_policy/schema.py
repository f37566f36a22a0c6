"""Widen Rucio's generic schema where the Data Backbone needs it."""

from rucio.common.schema import generic
from rucio.common.schema.generic import *  # noqa: F403 - a schema module replaces the generic one

# Butler paths are long; Rubin's own schema allows the same.
NAME_LENGTH = 500

# A plus sign as well: names of the Large File Annex are escaped with it.
NAME = {**generic.NAME, "maxLength": NAME_LENGTH, "pattern": r"^[/A-Za-z0-9_][/A-Za-z0-9._+\-]*$"}

# The classes of work that pools and FTS shares are named after; the generic list stays valid.
ACTIVITY = {
    **generic.ACTIVITY,
    "enum": [
        *generic.ACTIVITY["enum"],
        "Nightly",
        "Calibration",
        "EFD",
        "Release",
        "Catch-up",
        "Repair",
    ],
}

# Rules look the activity up by its name, subscriptions in this table.
SCHEMAS = {**generic.SCHEMAS, "activity": ACTIVITY, "name": NAME}
