"""The documentation keeps up: what is not written down here makes a test red."""

import argparse
import inspect
import re
from collections import Counter
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from dbb import errors
from dbb.cli.main import build_parser
from dbb.hooks.sql import SQL
from dbb.model.endpoint import Endpoint, RawPolicy
from dbb.model.manifest import Entry, Manifest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", *(ROOT / "changelog.d").glob("*.md")])
FAMILIES = set(errors.DbbError.__subclasses__())
CODES = sorted(
    cls.code
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, errors.DbbError) and cls is not errors.DbbError and cls not in FAMILIES
)


def read(name):
    return (DOCS / name).read_text(encoding="utf-8")


def page_names(pages):
    return [str(page.relative_to(ROOT)) for page in pages]


# -- runbooks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_has_a_runbook_with_the_four_answers(code):
    text = read(f"operate/{code}.md")
    assert text.startswith(f"# `{code}`: ")
    for heading in ("What you see", "Why", "What to do", "When to escalate"):
        assert f"**{heading}.**" in text
    assert f"({code}.md)" in read("operate/README.md")


def test_every_runbook_is_of_a_code_that_exists():
    stems = {path.stem for path in (DOCS / "operate").glob("*.md")} - {
        "README",
        "disaster-recovery",
        "production",
    }
    assert stems == set(CODES)


# -- the command line ------------------------------------------------------------------------------


def leaves(parser, words=()):
    """Walk down to the commands that have no commands of their own."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield " ".join(words), parser
    for group in groups:
        for name, child in group.choices.items():
            yield from leaves(child, (*words, name))


COMMANDS = dict(leaves(build_parser()))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_in_the_reference(command):
    text = read("reference/cli.md")
    first, *rest = command.split()
    section = re.search(
        rf"^## `dbb {first}[^\n]*`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert section, command
    for word in rest:
        assert f"dbb {first} {word}" in section[0]
    for action in COMMANDS[command]._actions:
        for option in action.option_strings:
            if option.startswith("--") and option not in ("--help", "--watch"):
                assert option in section[0], option
        if not action.option_strings:
            assert str(action.metavar).split("|")[0] in section[0], action.metavar


def test_what_can_be_watched_is_described_once():
    assert "`--watch`" in read("reference/cli.md").split("## Exit codes")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_document_of_the_command_line_is_named_in_the_reference(command):
    source = (ROOT / f"plugins/dbb/cli/{command.split()[0]}.py").read_text()
    flows = "".join(path.read_text() for path in (ROOT / "plugins/dbb/flows").glob("*.py"))
    for schema in re.findall(r'"(dbb-[a-z]+/\d+)"', source + flows):
        if schema != "dbb-manifest/1":
            assert schema in read("reference/cli.md")


def test_every_command_that_is_shown_exists():
    known = {command.split()[0] for command in COMMANDS}
    for page in PAGES:
        for word in re.findall(r"(?:`|\./)dbb ([a-z]+)", page.read_text(encoding="utf-8")):
            assert word in known, f"{page.name}: dbb {word}"


def test_every_command_that_an_error_recommends_exists():
    for _, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, errors.DbbError):
            for words in re.findall(r"`dbb ([a-z ]+)", cls.next_action):
                assert any(name.startswith(words.strip()) for name in COMMANDS), words


# -- DAGs, settings, tables ------------------------------------------------------------------------


def test_every_dag_is_described_for_operators():
    ids = [
        dag_id
        for path in (ROOT / "dags").glob("*.py")
        for dag_id in re.findall(r'dag_id="([^"]+)"', path.read_text())
    ]
    assert ids
    for dag_id in ids:
        assert f"`{dag_id}`" in read("operate/README.md"), dag_id
        assert f"`{dag_id}`" in read("architecture.md"), dag_id


def test_every_setting_is_documented():
    sources = [
        ROOT / "airflow.cfg.template",
        *(ROOT / "include/endpoints").glob("*.yaml"),
        *(ROOT / "include/policies").glob("*.yaml"),
        *(ROOT / "plugins").rglob("*.py"),
        *(ROOT / "dags").glob("*.py"),
    ]
    wanted = {
        name
        for path in sources
        for name in re.findall(r"\bDBB_[A-Z][A-Z0-9_]*[A-Z0-9]\b", path.read_text(encoding="utf-8"))
    }
    documented = set(re.findall(r"`(DBB_[A-Z0-9_]+)`", read("reference/settings.md")))
    assert wanted <= documented, wanted - documented


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        (Endpoint, "reference/settings.md"),
        (RawPolicy, "reference/settings.md"),
        (Manifest, "reference/manifest.md"),
        (Entry, "reference/manifest.md"),
    ],
)
def test_every_field_is_documented(kind, page):
    names = {"entries": "files", "digest": "sha256"}  # as they stand in the document
    for field in fields(kind):
        assert f"`{names.get(field.name, field.name)}`" in read(page), field.name


def test_every_field_of_the_files_is_documented():
    for path in [*(ROOT / "include/endpoints").glob("*.yaml"), ROOT / "include/policies/raw.yaml"]:
        for name in yaml.safe_load(path.read_text(encoding="utf-8")):
            assert f"`{name}`" in read("reference/settings.md"), f"{path.name}: {name}"


def test_every_table_and_view_of_the_ledger_is_documented():
    schema = "".join(path.read_text() for path in (SQL / "schema").glob("*.sql"))
    names = set(re.findall(r"^create (?:table|view) (\w+)", schema, re.MULTILINE))
    assert "delivery" in names
    for name in names - set(re.findall(r"^drop table (\w+)", schema, re.MULTILINE)):
        assert f"`{name}`" in read("reference/ledger.md"), name


# -- links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=page_names(PAGES))
def test_no_link_is_broken(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_picture_is_shown_somewhere_and_is_small():
    """A picture that is named and missing is a broken link, above."""
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    }
    pictures = set((DOCS / "images").iterdir())
    assert pictures
    assert pictures == shown
    assert [path.name for path in pictures if path.stat().st_size >= 120_000] == []


def test_every_decision_is_in_the_list():
    for path in (DOCS / "adr").glob("[0-9]*.md"):
        assert f"({path.name})" in read("adr/README.md"), path.name


def test_the_licence_is_there():
    assert "GNU GENERAL PUBLIC LICENSE" in (ROOT / "LICENSE").read_text()


# -- requirements ----------------------------------------------------------------------------------


def requirement_rows():
    lines = [line for line in read("requirements.md").splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_requirement_has_one_row():
    rows = requirement_rows()
    assert [int(row[0]) for row in rows] == list(range(1, 57))
    numbers = [re.search(r"\(DMS-DBB-REQ-(\d{4})\)", row[1])[1] for row in rows]
    assert sorted(numbers) == [f"{number:04d}" for number in range(1, 57)]
    assert {row[4] for row in rows} <= {"works", "begun", "not yet"}


def test_the_count_of_states_is_right():
    count = Counter(row[4] for row in requirement_rows())
    line = f"Works: {count['works']}. Begun: {count['begun']}. Not yet: {count['not yet']}."
    assert line in read("requirements.md")


@pytest.mark.parametrize("row", requirement_rows(), ids=lambda row: row[0])
def test_every_test_and_file_that_a_requirement_names_exists(row):
    tests = re.findall(r"`(tests/[^`]+)`", row[3])
    if row[4] == "works":
        assert tests, "what works has a test that shows it"
    for test in tests:
        path, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8"), test
    for name in re.findall(r"`((?:include|plugins|tests|flows|hooks|model)/[^`]+)`", row[2]):
        assert (ROOT / name).exists() or (ROOT / "plugins/dbb" / name).exists(), name
    for dag_id in re.findall(r"`(raw_\w+)`", row[2]):
        assert (ROOT / f"dags/{dag_id}.py").exists(), dag_id
