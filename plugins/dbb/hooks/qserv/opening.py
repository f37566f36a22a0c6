"""Opening a handoff: the release's plan, the endpoint's Qserv, the staging folder, the records."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dbb.errors import QservUnfit
from dbb.flows.qserv_views import Handoff, HandoffRow, Records, Stage
from dbb.hooks.qserv.client import QservClient
from dbb.hooks.qserv.czar import QservCzar
from dbb.hooks.qserv.planning import load_overlay, load_schema, plan_release, plan_sha256
from dbb.hooks.qserv.serving import PUSH, SIGNED_S
from dbb.hooks.qserv.workshop import StagingFolder
from dbb.model.qserv import Overlay, ReleasePlan
from dbb.settings import Settings


@cache
def make_plan(folder: Path, release: str) -> tuple[Overlay, ReleasePlan]:
    """Plan a release; reading its schema takes a second."""
    overlay = load_overlay(folder, release)
    previous = (
        load_schema(load_overlay(folder, overlay.previous).schema) if overlay.previous else None
    )
    return overlay, plan_release(overlay, load_schema(overlay.schema), previous)


def staging_folder(settings: Settings, endpoint: str, release: str) -> Path:
    """Give the folder in which a release is prepared for an endpoint's Qserv."""
    return Path(settings.value(f"DBB_QSERV_STAGING_{endpoint.upper()}")) / release


def open_handoff(
    settings: Settings, endpoint: str, release: str, records: Records, patience_s: float
) -> Handoff:
    """Open a handoff as the settings say; nothing is asked yet.

    Raises
    ------
    SettingMissing
        If the endpoint's Qserv is not described.
    QservUnfit
        If its database's address is none, or names an authority for what goes without TLS.
    """
    known = settings.endpoint(endpoint)
    _, plan = make_plan(settings.include / "qserv", release)
    end = known.name.upper()
    folder = staging_folder(settings, endpoint, release)
    served = settings.environment.get(f"DBB_QSERV_SERVED_{end}", "")
    row = records.find(release, known.name)
    return Handoff(
        row=row or HandoffRow(release, known.name, plan.database, plan_sha256(plan), Stage.PLANNED),
        plan=plan,
        server=QservClient(
            settings.value(f"DBB_QSERV_URL_{end}"),
            settings.value(f"DBB_QSERV_KEY_{end}"),
            settings.environment.get(f"DBB_QSERV_ADMIN_KEY_{end}", ""),
            settings.environment.get(f"DBB_QSERV_CA_{end}", ""),
            patience_s,
            settings.environment.get(f"DBB_QSERV_SERVED_CA_{end}", ""),
        ),
        records=records,
        workshop=StagingFolder(
            folder,
            _served(served, release) if served else folder.as_uri(),
            signed_s=_signed_s(settings.environment.get(f"DBB_QSERV_SIGNED_S_{end}", "")),
        ),
        czar=_czar(
            settings.environment.get(f"DBB_QSERV_SQL_{end}", ""),
            settings.environment.get(f"DBB_QSERV_SQL_CA_{end}", ""),
        ),
    )


def _served(address: str, release: str) -> str:
    return address if address == PUSH else f"{address.rstrip('/')}/{release}"


def _signed_s(text: str) -> int:
    if text and not text.isdecimal():
        raise QservUnfit.for_reason("DBB_QSERV_SIGNED_S_…", "It is no number of seconds")
    return int(text) if text else SIGNED_S


def _czar(url: str, ca: str) -> QservCzar | None:
    if not url:
        return None
    address = urlsplit(url)
    if address.scheme not in ("mysql", "mysqls") or not address.hostname:
        raise QservUnfit.for_reason("DBB_QSERV_SQL_…", "It is no mysqls://user:password@host:port")
    if ca and address.scheme == "mysql":
        why = "An authority is named, and mysql:// asks for no certificate: it is mysqls://"
        raise QservUnfit.for_reason("DBB_QSERV_SQL_CA_…", why)
    return QservCzar(
        address.hostname,
        address.port or 4040,
        unquote(address.username or "qsmaster"),
        unquote(address.password or ""),
        is_verified=address.scheme == "mysqls",
        ca=ca,
    )
