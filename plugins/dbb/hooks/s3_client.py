"""Make S3 clients: one for each key, so that two endpoints never share one.

==========================  ======================================================================
the store's URL says        the key and the address come from
==========================  ======================================================================
``s3://bucket``             the ordinary AWS variables; the address from ``S3_ENDPOINT_URL`` (as
                            ``lsst.resources`` reads it) or ``AWS_ENDPOINT_URL``
``s3://name@bucket``        inside Airflow its connection ``name``, through the S3 hook of Amazon's
                            provider; outside ``LSST_RESOURCES_S3_PROFILE_name``, else a connection
                            that can be found, else the profile ``name`` of the AWS files
==========================  ======================================================================

Butler reads ``s3://name@bucket/…`` through ``lsst.resources``, which knows profiles and no Airflow:
what a connection says is therefore put into this process's environment under the profile's name.
"""

from __future__ import annotations

import logging
import os
import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ProfileNotFound

from dbb.errors import SettingMissing
from dbb.hooks.airflow_lookup import WHERE_COMMANDS_LOOK, beside_results, is_inside_airflow
from dbb.secrecy import remember

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""Tries of one request, the first included."""

LONGEST_WAIT_S = 30
"""What a server may ask for; who has to wait longer is better tried again by Airflow."""

_PROFILE = "LSST_RESOURCES_S3_PROFILE_"


def client_of_environment() -> Any:
    """Make a client of the ordinary AWS variables."""
    endpoint = os.environ.get("S3_ENDPOINT_URL")
    is_own = bool(endpoint or os.environ.get("AWS_ENDPOINT_URL"))
    # A session of its own: boto3's default one keeps the first key that it ever found.
    config = _config(is_own_endpoint=is_own)
    return _patient(Session().client("s3", endpoint_url=endpoint, config=config))


def client_of(name: str) -> Any:
    """Make a client of an Airflow connection or a profile.

    Raises
    ------
    SettingMissing
        If there is none of that name. Another key is never tried in its place.
    """
    if not re.fullmatch(r"\w+", name):
        raise SettingMissing("A connection is named in letters, digits and _", name)
    profile = os.environ.get(f"{_PROFILE}{name}")
    if profile and not is_inside_airflow():
        return _client_of_profile(name, profile)
    with beside_results():
        client = _client_of_connection(name)
    if client is not None:
        return client
    if profile or name in Session().available_profiles:
        return _client_of_profile(name, profile)
    why = "There is no Airflow connection and no S3 profile of this name"
    raise SettingMissing(why if is_inside_airflow() else f"{why}; {WHERE_COMMANDS_LOOK}", name)


def _client_of_profile(name: str, profile: str | None) -> Any:
    parts = urlsplit(profile or os.environ.get("S3_ENDPOINT_URL", ""))
    where = parts.netloc.rpartition("@")[2]
    endpoint = f"{parts.scheme}://{where}" if where else None
    if parts.username and parts.password:
        session = Session(
            aws_access_key_id=unquote(parts.username), aws_secret_access_key=unquote(parts.password)
        )
    else:
        try:
            session = Session(profile_name=name)
        except ProfileNotFound as error:
            raise SettingMissing("The profile has no key and is in no AWS file", name) from error
    config = _config(is_own_endpoint=bool(where))
    return _patient(session.client("s3", endpoint_url=endpoint, config=config))


def extra_of(name: str) -> dict[str, Any]:
    """Give the extra of Airflow's connection; empty where none is used, or none can be found."""
    if os.environ.get(f"{_PROFILE}{name}") and not is_inside_airflow():
        return {}
    with beside_results():
        try:
            connection = _find_connection(name)
        except SettingMissing:  # whoever opens the store tells of it
            return {}
    return {} if connection is None else dict(connection.extra_dejson)


def _find_connection(name: str) -> Any:
    """Give Airflow's connection; None where there is none.

    Raises
    ------
    SettingMissing
        If Airflow cannot be asked.
    """
    # The provider takes many seconds to import, and only such a URL needs it.
    try:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook  # noqa: PLC0415
        from airflow.sdk.exceptions import AirflowNotFoundException  # noqa: PLC0415
    except Exception as error:  # a backend that cannot be made may raise anything
        why = f"Airflow and its secrets backend cannot be loaded: {error}"
        raise SettingMissing(why, name) from error

    try:  # the hook itself would go on with whatever key it finds elsewhere
        return S3Hook.get_connection(name)
    except AirflowNotFoundException:
        return None


def _client_of_connection(name: str) -> Any:
    if _find_connection(name) is None:
        return None
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook  # noqa: PLC0415 - as above

    settings = S3Hook(aws_conn_id=name).conn_config
    config = _config(is_own_endpoint=bool(settings.get_service_endpoint_url("s3")))
    if settings.botocore_config is not None:  # what the connection says goes before our defaults,
        config = config.merge(settings.botocore_config).merge(_CHECKSUMS)  # but not for checksums
    hook = S3Hook(aws_conn_id=name, config=config)
    client = hook.get_conn()
    _tell_resources(name, client.meta.endpoint_url, hook.get_session().get_credentials())
    return _patient(client)


def _patient(client: Any) -> Any:
    """Have a client wait for as long as a server asks; boto3 knows its own waits only."""
    client.meta.events.register_first("needs-retry.s3", wait_asked_for)
    return client


def wait_asked_for(response: Any, attempts: int, **_: Any) -> int | None:
    """Give the seconds that a busy server asks to be left alone; None leaves it to boto3."""
    if response is None or attempts >= ATTEMPTS:
        return None
    asked = response[0].headers.get("Retry-After", "")
    is_busy = response[0].status_code in (429, 503)
    return min(int(asked), LONGEST_WAIT_S) if is_busy and asked.isdecimal() else None


def _tell_resources(name: str, endpoint: str, credentials: Any) -> None:
    """Let ``lsst.resources`` find the same key under the profile's name, in this process only."""
    found = None if credentials is None else credentials.get_frozen_credentials()
    if found is not None:
        remember(found.secret_key, found.token or "")
    if found is None or found.token:
        log.warning("action=tell-butler connection=%s reason=its key cannot be a profile", name)
        return
    parts = urlsplit(endpoint)
    key = f"{quote(found.access_key, safe='')}:{quote(found.secret_key, safe='')}"
    os.environ[f"{_PROFILE}{name}"] = f"{parts.scheme}://{key}@{parts.netloc}"


_CHECKSUMS = Config(
    request_checksum_calculation="when_supported", response_checksum_validation="when_supported"
)
"""Asked for explicitly: no configuration file and no connection may switch them off."""


def _config(*, is_own_endpoint: bool) -> Config:
    """Set what every client of a store needs.

    ``total_max_attempts`` counts tries, and ``max_attempts`` would not.
    """
    return Config(
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=10,
        read_timeout=60,
        # Few object stores outside Amazon resolve one host name per bucket.
        s3={"addressing_style": "path" if is_own_endpoint else "auto"},
    ).merge(_CHECKSUMS)
