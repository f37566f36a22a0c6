"""Bring a Rucio database and catalogue to what the sandbox promises; safe to repeat."""

from __future__ import annotations

import json
from pathlib import Path
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

from sandbox.private_file import write_private
from sandbox.rucio.setting import RucioSetting

# Rucio checks the values of `datatype` against a declared list, unlike those of its other keys.
DATATYPES = ("raw", "product", "file", "lfa", "level1")


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


def fill_catalogue(client: Client, setting: RucioSetting, keys: Path) -> None:
    """Create accounts, scope, RSEs, links and metadata keys through the public interface.

    The keys of buckets go into the file in which Rucio looks for them, by the RSE's id.
    """
    _add_service_account(client, setting)
    for scope in setting.scopes:
        _add_scope(client, scope)
    for rse, folder in setting.stores.items():
        bucket = setting.buckets.get(rse)
        protocols = [_s3_protocol(bucket)] if bucket else _posix_protocols(folder)
        attributes = {"sign_url": "s3", "s3_url_style": "path"} if bucket else {}
        if _add_rse(client, rse, protocols, {"fts": setting.fts_url, **attributes}):
            _add_links(client, rse, list(setting.stores))
    write_keys(client, setting, keys)
    _declare_datatypes(client)


def write_keys(client: Client, setting: RucioSetting, path: Path) -> None:
    """Write ``rse-accounts.cfg``, readable by the owner only."""
    document = {
        client.get_rse(rse)["id"]: {
            "access_key": bucket["access_key"],
            "secret_key": bucket["secret_key"],
            "signature_version": "s3v4",
            "region": "us-east-1",
        }
        for rse, bucket in setting.buckets.items()
    }
    write_private(path, json.dumps(document, indent=1))


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


def _add_rse(
    client: Client, rse: str, protocols: list[dict[str, Any]], attributes: dict[str, str]
) -> bool:
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
        for protocol in protocols:
            client.add_protocol(rse, protocol)
    wanted = {
        **attributes,
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


_EVERY = {"read": 1, "write": 1, "delete": 1}


def _third_party(priority: int) -> dict[str, int]:
    return {"third_party_copy_read": priority, "third_party_copy_write": priority}


def _posix_protocols(folder: str) -> list[dict[str, Any]]:
    """Give the folder itself, and the WebDAV door that a site with such a store has beside it.

    Rucio pairs no folder with a bucket: the schemes must be kin. The door is for copies between
    two sites only, and only where the folders themselves do not pair; the copy service knows that
    it leads to the same folder.
    """
    return [
        {
            "scheme": "file",
            "hostname": "localhost",
            "port": 0,
            "prefix": folder,
            "impl": "rucio.rse.protocols.posix.Default",
            "domains": {"lan": _EVERY, "wan": {**_EVERY, **_third_party(1)}},
        },
        {
            "scheme": "davs",
            "hostname": "localhost",
            "port": 443,
            "prefix": folder,
            "impl": "rucio.rse.protocols.webdav.Default",
            "domains": {"lan": {}, "wan": _third_party(2)},
        },
    ]


def _s3_protocol(bucket: dict[str, str]) -> dict[str, Any]:
    """Give a bucket: Rucio signs addresses of it, and hands ``s3s://`` ones to the copy service."""
    return {
        "scheme": "https",
        "hostname": "127.0.0.1",
        "port": int(bucket["port"]),
        "prefix": bucket["prefix"],
        "impl": "rucio.rse.protocols.webdav.NoRename",
        "domains": {"lan": _EVERY, "wan": {**_EVERY, **_third_party(1)}},
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
