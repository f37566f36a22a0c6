"""Bring a Rucio database and catalogue to what the sandbox promises; safe to repeat."""

from __future__ import annotations

from typing import Any

from rucio.client import Client
from rucio.common.exception import (
    AccountNotFound,
    Duplicate,
    RSENotFound,
    RSEProtocolNotSupported,
)
from rucio.db.sqla.util import build_database, create_base_vo, create_root_account
from sqlalchemy import create_engine, inspect

from sandbox.rucio.setting import RucioSetting

# Rucio checks the values of `datatype` against a declared list, unlike those of its other keys.
DATATYPES = ("raw", "product", "file", "lfa")


def create_database(database_url: str) -> bool:
    """Create the schema, the tables and the root account unless they exist."""
    engine = create_engine(database_url)
    try:
        if inspect(engine).has_table("accounts", schema="rucio"):
            return False
    finally:
        engine.dispose()
    build_database()
    create_base_vo()
    create_root_account()
    return True


def fill_catalogue(client: Client, setting: RucioSetting) -> None:
    """Create accounts, scope, RSEs, links and metadata keys through the public interface."""
    _add_service_account(client, setting)
    for scope in setting.scopes:
        _add_scope(client, scope)
    for rse, folder in setting.stores.items():
        if _add_rse(client, rse, folder, setting.fts_url):
            _add_links(client, rse, list(setting.stores))
    _declare_datatypes(client)


def _add_service_account(client: Client, setting: RucioSetting) -> None:
    account = setting.service_user
    try:
        client.get_account(account)
    except AccountNotFound:
        client.add_account(account, "SERVICE", "dbb@example.org")
    identities = {i["identity"] for i in client.list_identities(account)}
    if account not in identities:
        client.add_identity(
            account=account,
            identity=account,
            authtype="USERPASS",
            email="dbb@example.org",
            password=setting.service_password,
        )


def _add_scope(client: Client, scope: str) -> None:
    if scope not in set(client.list_scopes()):
        client.add_scope("root", scope)


def _add_rse(client: Client, rse: str, folder: str, fts_url: str) -> bool:
    """Make an RSE what it shall be; tell whether it is new."""
    is_new = False
    try:
        client.get_rse(rse)
    except RSENotFound:
        client.add_rse(rse, deterministic=True)
        is_new = True
    try:
        client.get_protocols(rse)
    except RSEProtocolNotSupported:
        client.add_protocol(rse, _posix_protocol(folder))
    wanted = {
        "fts": fts_url,
        "site": rse,
        "lfn2pfn_algorithm": "dbb",
        "verify_checksum": True,
        # A replica that no rule wants any more goes at the next cycle, so that expiry is visible.
        "greedyDeletion": True,
    }
    present = client.list_rse_attributes(rse)
    for key, value in wanted.items():
        if present.get(key) != value:
            client.add_rse_attribute(rse, key, value)
    for account in ("root", "dbb"):
        client.set_account_limit(account, rse, -1, "local")
    return is_new


def _posix_protocol(folder: str) -> dict[str, Any]:
    every = {"read": 1, "write": 1, "delete": 1}
    third_party = {"third_party_copy_read": 1, "third_party_copy_write": 1}
    return {
        "scheme": "file",
        "hostname": "localhost",
        "port": 0,
        "prefix": folder,
        "impl": "rucio.rse.protocols.posix.Default",
        "domains": {"lan": every, "wan": {**every, **third_party}},
    }


def _add_links(client: Client, rse: str, rses: list[str]) -> None:
    """Link a new RSE with those that are there; from then on the policies say what is linked."""
    for other in rses[: rses.index(rse)]:
        client.add_distance(rse, other, {"distance": 1}, bidirectional=True)


def _declare_datatypes(client: Client) -> None:
    if "datatype" not in set(client.list_keys()):
        client.add_key("datatype", "ALL")
    declared = set(client.list_values("datatype"))
    for value in DATATYPES:
        if value not in declared:
            try:
                client.add_value("datatype", value)
            except Duplicate:
                continue
