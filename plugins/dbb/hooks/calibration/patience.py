"""How long a calibration sequence may be incomplete: a line of ``include/calibration``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dbb.documents import read_document
from dbb.errors import PolicyUnreadable
from dbb.model.calibration import GROUP_PATIENCE_S
from dbb.settings import INCLUDE

FOLDER = INCLUDE / "calibration"


@cache
def read_patience_s(instrument: str, folder: Path = FOLDER) -> float:
    """Read ``incomplete_after_s`` of an instrument, apart from the limits, which need numpy.

    An instrument of which no calibrations are declared has the usual patience.

    Raises
    ------
    PolicyUnreadable
        If the file breaks a rule.
    """
    path = folder / f"{instrument}.yaml"
    if not path.exists():
        return GROUP_PATIENCE_S
    value = read_document(path).get("incomplete_after_s")
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        why = "incomplete_after_s is no number above 0"
        raise PolicyUnreadable.for_file(f"calibration/{path.name}", why)
    return float(value)
