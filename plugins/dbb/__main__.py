"""Run the command line: ``python -m dbb``."""

from __future__ import annotations

import sys

from dbb.cli.main import main

sys.exit(main())
