"""The documentation as a site: it builds without a warning, and what is made from the code is whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(300)


def build(source, target, folder):
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", ROOT / "docs", source, target],
        env={**os.environ, "AIRFLOW_HOME": str(folder / "airflow")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    code, told = build(ROOT / "docs", folder / "html", folder)
    assert code == 0, told
    return folder / "html"


def test_every_dag_and_every_statement_has_its_place(site):
    dags = (site / "reference/generated/dags.html").read_text(encoding="utf-8")
    for name in ("raw_transfer", "deliver_frdf", "alarm_watch"):
        assert f'id="{name.replace("_", "-")}"' in dags
    assert "Seconds to wait for the copies at other endpoints." in dags
    sql = (site / "reference/generated/sql.html").read_text(encoding="utf-8")
    for path in (ROOT / "include/sql").rglob("*.sql"):
        assert str(path.relative_to(ROOT / "include/sql")) in sql


def test_every_page_is_reached_from_the_menu(site):
    menu = (site / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").with_suffix(".html")
        assert page.stem == "index" or f'href="{name}"' in menu, name


def test_a_link_that_leads_nowhere_is_red(tmp_path):
    (tmp_path / "index.md").write_text("# Index\n\n[gone](gone.md)\n")
    code, told = build(tmp_path, tmp_path / "html", tmp_path)
    assert code == 1
    assert "gone.md" in told
