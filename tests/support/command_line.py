"""The project's command line, as an operator of a running sandbox calls it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

DBB = Path(__file__).resolve().parents[2] / "dbb"


def dbb(night, *words):
    """Call it with the variables of a night; give its exit code and its document."""
    done = subprocess.run(
        [DBB, *words, "--json"],
        env={**os.environ, **night.env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)
