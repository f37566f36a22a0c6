"""The site: Markdown as it stands in this folder, and two pages made from the code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "plugins"), str(HERE.parent)]

# Reading the DAG files makes Airflow write a configuration: not into somebody's home.
os.environ.setdefault("AIRFLOW_HOME", str(HERE / "_build" / "airflow"))

project = "LSST Data Backbone"
copyright = "the LSST Data Backbone's authors, GPL-3.0-or-later"  # noqa: A001 - Sphinx's own name
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
html_theme = "furo"
html_title = project
html_show_sourcelink = False


def setup(app: Sphinx) -> None:
    """Make the generated pages before the sources are read."""
    from generated_pages import write_pages  # noqa: PLC0415 - beside this file

    app.connect("builder-inited", lambda _: write_pages(HERE.parent, HERE / "reference/generated"))
