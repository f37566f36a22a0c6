"""Backups of the Consolidated Database in a repository on a real S3 server, restored to a moment from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbb.errors import BackupUnusable
from dbb.hooks.database_drill import drill_database
from dbb.hooks.pgbackrest import PgBackRest
from support.database_cluster import NEEDED, Cluster

pytestmark = [NEEDED, pytest.mark.timeout(900)]


@pytest.fixture
def cluster(s3_server, s3_bucket, tmp_path_factory):
    keys = s3_server.environment_of_clients()
    folder = tmp_path_factory.mktemp("pg")
    # The server's folder is its own; the database's user is another one.
    (folder / "ca.pem").write_bytes(Path(s3_server.certificate).read_bytes())
    made = Cluster(
        folder,
        DBB_BACKUP_REPOSITORY=f"s3://{s3_bucket}/cdb",
        # By name: pgBackRest looks for no addresses in certificates.
        DBB_BACKUP_S3_ENDPOINT=f"localhost:{s3_server.https_port()}",
        DBB_BACKUP_S3_REGION=keys["AWS_DEFAULT_REGION"],
        DBB_BACKUP_S3_CA=str(folder / "ca.pem"),
        PGBACKREST_REPO1_S3_KEY=keys["AWS_ACCESS_KEY_ID"],
        PGBACKREST_REPO1_S3_KEY_SECRET=keys["AWS_SECRET_ACCESS_KEY"],
    )
    try:
        made.start()
        made.fill()
        yield made
    finally:
        made.stop()


def objects(s3, bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [each for page in pages for each in page.get("Contents", [])]


def test_backups_on_s3_are_restored_to_a_moment_and_damage_there_is_named(
    cluster, s3_server, s3_bucket
):
    cluster.run("insert into sources select i from generate_series(300001, 310000) i")
    assert drill_database(cluster.settings).wrong == ()
    text = Path(cluster.env["DBB_BACKUP_CONFIG"]).read_text(encoding="utf-8")
    assert cluster.env["PGBACKREST_REPO1_S3_KEY_SECRET"] not in text
    s3 = s3_server._client()
    victim = max(objects(s3, s3_bucket), key=lambda each: each["Size"])["Key"]
    data = s3.get_object(Bucket=s3_bucket, Key=victim)["Body"].read()
    middle = len(data) // 2
    damaged = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    s3.put_object(Bucket=s3_bucket, Key=victim, Body=damaged)
    with pytest.raises(BackupUnusable, match=r"invalid checksum|checksum invalid"):
        PgBackRest(cluster.settings).verify()
