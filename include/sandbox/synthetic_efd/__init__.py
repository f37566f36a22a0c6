"""A synthetic night of the Engineering and Facilities Database: real names, any rate, the same by its seed."""

from __future__ import annotations

from sandbox.synthetic_efd.answers import Answer, right_answer
from sandbox.synthetic_efd.night import EfdNight, Exposure, Series
from sandbox.synthetic_efd.writing import make_database, write_lines, write_night

__all__ = [
    "Answer",
    "EfdNight",
    "Exposure",
    "Series",
    "make_database",
    "right_answer",
    "write_lines",
    "write_night",
]
