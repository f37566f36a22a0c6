"""Compose what every client of the sandbox needs: the contract of ``.sandbox/env``."""

from __future__ import annotations

from sandbox import sites
from sandbox.allotted import Allotted
from sandbox.executors import executor_env
from sandbox.export_key import export_key, export_root
from sandbox.layout import Layout
from sandbox.qserv_services import QservContract
from sandbox.s3_sites import buckets
from sandbox.services.postgres import url
from sandbox.services.rucio import SERVICE_ACCOUNT

AIRFLOW_USER = "admin"


def client_env(layout: Layout, allotted: Allotted) -> dict[str, str]:
    """Give every ``DBB_*`` variable, whether or not its service runs at this moment."""
    postgres = allotted.port("postgres")
    dbb = allotted.secret("dbb")
    env = {
        "AIRFLOW_HOME": str(layout.data("airflow")),
        "DBB_AIRFLOW_PASSWORD": allotted.secret("airflow_admin"),
        "DBB_AIRFLOW_URL": f"http://127.0.0.1:{allotted.port('airflow_api')}",
        "DBB_AIRFLOW_USER": AIRFLOW_USER,
        "DBB_COPY_SERVICE_URL": f"http://127.0.0.1:{allotted.port('copy')}",
        "DBB_EXPORT_KEY": str(export_key(layout)),
        "DBB_EXPORT_ROOT": str(export_root(layout)),
        "DBB_LEDGER_URL": url("dbb", dbb, postgres, "dbb"),
        "DBB_POSTGRES_URL": url("postgres", allotted.secret("postgres"), postgres, "postgres"),
        "DBB_RUCIO_ACCOUNT": SERVICE_ACCOUNT,
        "DBB_RUCIO_CYCLE_URL": f"http://127.0.0.1:{allotted.port('rucio_control')}/cycle",
        "DBB_RUCIO_HOST": f"http://127.0.0.1:{allotted.port('rucio')}",
        "DBB_RUCIO_PASSWORD": allotted.secret("rucio_dbb"),
        "DBB_RUCIO_USER": SERVICE_ACCOUNT,
        "DBB_SANDBOX_DIR": str(layout.state),
    }
    for site in sites.BUTLERS:
        env[f"DBB_BUTLER_{site}"] = str(layout.state / "butler" / site.lower())
        env[f"DBB_BUTLER_DB_{site}"] = url("dbb", dbb, postgres, f"butler_{site.lower()}")
    env["DBB_BUTLER_OODS"] = str(layout.state / "butler" / "oods")
    env["DBB_OODS_JOURNAL"] = str(layout.state / "butler" / "oods-journal.sqlite")
    for site in sites.STORES:
        env[f"DBB_STORE_{site}"] = layout.store(site).as_uri()
    env |= qserv_env(layout, allotted)
    env |= executor_env(layout)
    if layout.first_night_file.exists():
        env["DBB_FIRST_NIGHT"] = layout.first_night_file.read_text().strip()
    for bucket in buckets(layout, allotted):
        env |= bucket.client_env()
    return env


def qserv_env(layout: Layout, allotted: Allotted) -> dict[str, str]:
    """Give the address of the stand-in for Qserv, which `./sandbox qserv` starts, as the archive's."""
    contract = QservContract(layout, allotted)
    czar = contract.czar()
    return {
        "DBB_QSERV_ADMIN_KEY_USDF": contract.admin_auth_key,
        "DBB_QSERV_KEY_USDF": contract.auth_key,
        "DBB_QSERV_SQL_USDF": f"mysql://{czar['user']}:{czar['password']}@{czar['host']}:{czar['port']}",
        "DBB_QSERV_STAGING_USDF": str(layout.data("qserv-staging")),
        "DBB_QSERV_URL_USDF": contract.url(),
    }
