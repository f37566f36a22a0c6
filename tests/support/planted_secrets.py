"""Secrets planted into every place that can hold one, and every logger made to tell what it knows."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
from urllib.parse import quote

CLOSED = "127.0.0.1:1"
LEDGER = f"postgresql+psycopg://dbb:canary-ledger%2F5+ecret@{CLOSED}/dbb"

SECRET = "canary-{}/5+ecret"  # noqa: S105 - that is what it is for
"""Has what an address must spell otherwise."""


def environment(address, ledger):
    """Fill every setting that can hold a secret, each with one of its own."""

    def site(name, scheme="http", user="ops", where=address, rest=""):
        return f"{scheme}://{user}:{quote(SECRET.format(name), safe='')}@{where}{rest}"

    def database(name, rest="/dbb"):
        return site(name, "postgresql+psycopg", where=CLOSED, rest=rest)

    connection = {"conn_type": "aws", "login": "dbb", "password": SECRET.format("connection"),
                  "extra": {"endpoint_url": f"http://{address}", "aws_session_token": SECRET.format("session")}}  # fmt: skip
    env = {
        "DBB_LEDGER_URL": ledger,
        "DBB_RUCIO_HOST": site("rucio-host"), "DBB_RUCIO_ACCOUNT": "root", "DBB_RUCIO_USER": "dbb",
        "DBB_RUCIO_PASSWORD": SECRET.format("rucio"),
        "DBB_EFD_URL": site("efd-url"), "DBB_EFD_USER": "efd", "DBB_EFD_PASSWORD": SECRET.format("efd"),
        "DBB_EFD_VALUES_USDF": database("values"),
        "DBB_QSERV_URL_USDF": site("qserv-url"), "DBB_QSERV_KEY_USDF": SECRET.format("qserv"),
        "DBB_QSERV_ADMIN_KEY_USDF": SECRET.format("admin"), "DBB_QSERV_SERVED_USDF": site("served"),
        "DBB_QSERV_SQL_USDF": site("czar", "mysql"),
        "DBB_ALARM_WEBHOOK": f"http://{address}/hooks/{SECRET.format('hook').replace('/', '-')}",
        "DBB_ALARM_MAIL": site("mail", "smtp", where=CLOSED, rest="?from=a@b.c&to=d@e.f"),
        "DBB_AIRFLOW_URL": site("airflow-url"), "DBB_AIRFLOW_USER": "ops",
        "DBB_AIRFLOW_PASSWORD": SECRET.format("airflow"),
        "DBB_EVENTS_TOKEN": SECRET.format("events"),
        "DBB_ALERTS_BROKERS": f"sasl_ssl://{address}", "DBB_ALERTS_KAFKA_USER": "alerts",
        "DBB_ALERTS_KAFKA_PASSWORD": SECRET.format("alerts"), "DBB_KAFKA_PASSWORD": SECRET.format("kafka"),
        "DBB_ALERTS_TOPIC": "alerts", "DBB_ALERTS_REGISTRY": site("registry"),
        "DBB_BACKUP_URL": database("backup", "/cdb"), "DBB_POSTGRES_URL": database("postgres", "/postgres"),
        "DBB_COPY_SERVICE_URL": site("copy"), "DBB_RUCIO_CYCLE_URL": site("cycle"),
        "PGBACKREST_REPO1_S3_KEY_SECRET": SECRET.format("pgbackrest"),
        "PGBACKREST_REPO1_CIPHER_PASS": SECRET.format("cipher"),
        "AIRFLOW__CORE__FERNET_KEY": SECRET.format("fernet"),
        "AIRFLOW__API_AUTH__JWT_SECRET": SECRET.format("jwt"),
        "AIRFLOW__API__SECRET_KEY": SECRET.format("flask"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database("metadata", "/airflow"),
        "AIRFLOW__CELERY__BROKER_URL": site("celery", "rediss", user=""),
        "AWS_ACCESS_KEY_ID": "dbb", "AWS_SECRET_ACCESS_KEY": SECRET.format("s3"),
        "AWS_SESSION_TOKEN": SECRET.format("token"),
        "S3_ENDPOINT_URL": f"http://{address}", "AWS_MAX_ATTEMPTS": "1",
        "LSST_RESOURCES_S3_PROFILE_frdf_store": site("profile", user="dbb"),
        "AIRFLOW_CONN_UKDF_STORE": json.dumps(connection),
        "DBB_STORE_FRDF": "s3://frdf_store@bucket/x", "DBB_STORE_UKDF": "s3://ukdf_store@bucket/x",
    }  # fmt: skip
    for name in ("USDF", "FRDF", "UKDF", "CHILE", "SCRATCH"):
        env[f"DBB_BUTLER_DB_{name}"] = database(f"butler-{name.lower()}")
    for name in ("SUMMIT", "USDF", "CHILE", "OODS", "LFA", "ALERTS"):
        env[f"DBB_STORE_{name}"] = f"s3://bucket/{name.lower()}"
    return env


def planted(env):
    """Give the part of each planted secret that is the same in every spelling."""
    return {
        mark: mark for mark in re.findall(r"canary-[a-z0-9-]+?(?=/|%2F|-5)", " ".join(env.values()))
    }


@contextlib.contextmanager
def telling_everything():
    """Have every logger tell everything to a text; those that are held are held by us, later."""
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    root = logging.getLogger()
    known = root.manager.loggerDict.values()
    loggers = [root, *(each for each in known if isinstance(each, logging.Logger))]
    levels = {each: each.level for each in loggers}
    factory = logging.getLogRecordFactory()
    for each in loggers:
        each.setLevel(logging.DEBUG if each is root else logging.NOTSET)
    root.addHandler(handler)
    try:
        yield logged
    finally:
        root.removeHandler(handler)
        for each, level in levels.items():
            each.setLevel(level)
        logging.setLogRecordFactory(factory)
