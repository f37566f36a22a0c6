"""Where the command line finds its settings."""

import pytest

from dbb.cli.environment import read_environment
from dbb.errors import PolicyUnreadable


def test_the_environment_goes_first(tmp_path):
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox/env").write_text("DBB_LEDGER_URL=file\n")
    values, path = read_environment({"DBB_LEDGER_URL": "mine"}, tmp_path)
    assert values["DBB_LEDGER_URL"] == "mine"
    assert path is None


def test_without_settings_the_sandbox_beside_the_project_is_used_and_named(tmp_path):
    (tmp_path / ".sandbox").mkdir()
    (tmp_path / ".sandbox/env").write_text("# made\n\nDBB_LEDGER_URL=file\nDBB_X='a b'\n")
    values, path = read_environment({"DBB_Y": "kept"}, tmp_path)
    assert (values["DBB_LEDGER_URL"], values["DBB_X"], values["DBB_Y"]) == ("file", "a b", "kept")
    assert path == tmp_path / ".sandbox/env"


def test_another_sandbox_can_be_named(tmp_path):
    (tmp_path / "env").write_text("DBB_LEDGER_URL=there\n")
    values, _ = read_environment({"DBB_SANDBOX_DIR": str(tmp_path)}, tmp_path / "elsewhere")
    assert values["DBB_LEDGER_URL"] == "there"


def test_without_either_nothing_is_made_up(tmp_path):
    assert read_environment({}, tmp_path) == ({}, None)


@pytest.mark.parametrize("line", ["no equals sign", "A=two words"])
def test_a_broken_file_is_refused(tmp_path, line):
    (tmp_path / "env").write_text(line + "\n")
    with pytest.raises(PolicyUnreadable, match="line 1"):
        read_environment({"DBB_SANDBOX_DIR": str(tmp_path)}, tmp_path)
