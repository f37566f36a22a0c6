"""pgBackRest's configuration and reports: no secret is written, damage is seen although the exit code is 0."""

import pytest

from dbb.errors import BackupUnusable, InstallationWrong, SettingMissing
from dbb.hooks.database_drill import compare_tables
from dbb.hooks.pgbackrest import BackupSettings, PgBackRest, render_config
from dbb.settings import Settings

ENVIRONMENT = {
    "DBB_BACKUP_CONFIG": "/etc/dbb/pgbackrest.conf",
    "DBB_BACKUP_PGDATA": "/var/lib/postgresql/15/cdb",
    "DBB_BACKUP_URL": "postgresql+psycopg://postgres@/cdb?host=/var/run/postgresql&port=5433",
    "DBB_BACKUP_REPOSITORY": "s3://dbb-backup/cdb",
    "DBB_BACKUP_SCRATCH": "/srv/drill",
    "DBB_BACKUP_S3_ENDPOINT": "s3.example.org",
    "DBB_BACKUP_S3_REGION": "usdf",
    "PGBACKREST_REPO1_S3_KEY": "key-of-the-repository",
    "PGBACKREST_REPO1_S3_KEY_SECRET": "secret-of-the-repository",
    "PGBACKREST_REPO1_CIPHER_PASS": "pass-phrase",
}
WELL = """P00   INFO: stanza: dbb
            status: ok
              archiveId: 15-1, total WAL checked: 3, total valid WAL: 3
                missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""
BAD = """P01   INFO: invalid checksum '20261125-221219F/pg_data/base/1/1255.zst'
P00   INFO: stanza: dbb
            status: error
              backup: 20261125-221219F, status: invalid, total files checked: 964, total valid files: 963
                missing: 0, checksum invalid: 1, size invalid: 0, other: 0
"""


def settings(**changes):
    return BackupSettings.load(Settings.load(environment=ENVIRONMENT | changes))


def test_the_configuration_has_what_is_set_and_no_secret():
    text = render_config(settings())
    for line in (
        "repo1-type=s3", "repo1-s3-bucket=dbb-backup", "repo1-path=/cdb",
        "repo1-s3-endpoint=s3.example.org", "repo1-cipher-type=aes-256-cbc",
        "pg1-path=/var/lib/postgresql/15/cdb", "pg1-port=5433",
        "pg1-socket-path=/var/run/postgresql", "pg1-database=cdb", "repo1-retention-full=2",
    ):  # fmt: skip
        assert line in text.splitlines()
    for name, secret in ENVIRONMENT.items():
        if name.startswith("PGBACKREST_"):
            assert secret not in text


def test_a_server_of_ones_own_has_its_port_and_certificate():
    text = render_config(
        settings(DBB_BACKUP_S3_ENDPOINT="s3.example.org:8443", DBB_BACKUP_S3_CA="/etc/dbb/ca.pem")
    ).splitlines()
    for line in (
        "repo1-s3-endpoint=s3.example.org", "repo1-storage-port=8443",
        "repo1-storage-ca-file=/etc/dbb/ca.pem",
    ):  # fmt: skip
        assert line in text
    assert not any("verify-tls" in line for line in text)


def test_a_repository_in_a_folder_has_no_words_of_s3():
    text = render_config(
        settings(DBB_BACKUP_REPOSITORY="file:///backup", PGBACKREST_REPO1_CIPHER_PASS="")
    )
    assert "repo1-path=/backup" in text
    assert "repo1-s3" not in text
    assert "repo1-cipher" not in text


def test_s3_without_its_endpoint_is_refused():
    with pytest.raises(SettingMissing, match="DBB_BACKUP_S3_ENDPOINT"):
        render_config(settings(DBB_BACKUP_S3_ENDPOINT=""))


@pytest.fixture
def pgbackrest(tmp_path, monkeypatch):
    """Stand a script in for the program, which says what a test wants."""

    def say(text, code=0):
        (tmp_path / "said").write_text(text)
        script = tmp_path / "pgbackrest"
        script.write_text(f"#!/bin/sh\ncat {tmp_path / 'said'}\nexit {code}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return PgBackRest(settings())

    return say


def test_a_repository_that_is_well_verifies(pgbackrest):
    pgbackrest(WELL).verify()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (BAD, "invalid checksum '20261125-221219F/pg_data/base/1/1255.zst'"),
        (WELL.replace("missing: 0", "missing: 2"), "missing: 2"),
        (WELL.replace("status: ok", "status: error"), "status: error"),
        ("", "no status"),
    ],
)
def test_damage_is_seen_although_the_exit_code_says_all_is_well(pgbackrest, said, told):
    with pytest.raises(BackupUnusable, match="verify") as caught:
        pgbackrest(said).verify()
    assert told in caught.value.message


def test_an_error_is_told_in_the_programs_words(pgbackrest):
    with pytest.raises(BackupUnusable, match=r"\[082\]: WAL segment"):
        pgbackrest("P00  ERROR: [082]: WAL segment was not archived", code=82).check()


def test_a_program_that_is_not_installed_is_said_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InstallationWrong, match="pgbackrest"):
        PgBackRest(settings()).check()


def test_tables_that_are_not_as_they_were_are_named():
    before = {"a": (1, "x"), "b": (2, "x"), "c": (3, "x"), "d": (4, "x")}
    after = {"a": (1, "x"), "b": (1, "y"), "c": (3, "y"), "e": (0, "")}
    assert compare_tables(before, after) == [
        "b: 1 rows came back of 2",
        "c: rows came back with other values",
        "d: it did not come back",
        "e: it was not there then",
    ]
    assert compare_tables(before, dict(before)) == []
