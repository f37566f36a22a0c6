"""Who may do what on the pages: see them, decide on them; and that a form was asked for by its sender."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from typing import Annotated
from urllib.parse import parse_qs

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import (
    AccessView,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request

from dbb.errors import UnsafeName
from dbb.settings import read_curators

DECIDING_DAG = "raw_transfer"
"""Whoever may start this DAG by hand may decide what goes through it, unless curators are named."""

FORM_S = 3600
MOST_BYTES = 4_000_000


def may_read(user: GetUserDep) -> None:
    """Let those pass who may see Airflow's own pages."""
    if not get_auth_manager().is_authorized_view(access_view=AccessView.WEBSITE, user=user):
        raise HTTPException(403, "Your role may not see these pages.")


def can_decide(user: GetUserDep) -> bool:
    """Say whether somebody may decide on what is held: a curator who may start the DAG that acts upon it."""
    curators = {each for each, _ in read_curators(os.environ)}
    if curators and str(user.get_id()) not in curators:
        return False
    return get_auth_manager().is_authorized_dag(
        method="POST",
        access_entity=DagAccessEntity.RUN,
        details=DagDetails(id=DECIDING_DAG),
        user=user,
    )


def may_decide(can: Annotated[bool, Depends(can_decide)]) -> None:
    """Let those pass who may decide on what is held."""
    if not can:
        raise HTTPException(
            403, f"Your role may not decide: you are no curator, or may not start {DECIDING_DAG}."
        )


def name_of(user: GetUserDep) -> str:
    """Name somebody for the history."""
    return str(user.get_name())


def make_token(user: str, now_s: float | None = None) -> str:
    """Make what a form must bring back: only this server can, for this user and an hour."""
    issued = f"{time.time() if now_s is None else now_s:.0f}"
    return f"{issued}.{_sign(user, issued)}"


def check_token(user: str, token: str) -> bool:
    """Say whether a token is this user's and not too old."""
    issued, _, signature = token.partition(".")
    if not (issued.isascii() and issued.isdecimal()):
        return False
    is_young = -60 <= time.time() - int(issued) <= FORM_S
    return hmac.compare_digest(signature, _sign(user, issued)) and is_young


def _sign(user: str, issued: str) -> str:
    key = str(conf.get("api", "secret_key")).encode()
    return hmac.new(key, f"dbb-form|{user}|{issued}".encode(), hashlib.sha256).hexdigest()


async def read_form(
    request: Request, user: Annotated[str, Depends(name_of)]
) -> dict[str, list[str]]:
    """Read a form that this user was given here, and nobody else sent in their name.

    Raises
    ------
    HTTPException
        If another site sent it, or it is too old.
    UnsafeName
        If it is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind != "application/x-www-form-urlencoded" or len(body) > MOST_BYTES:
        raise UnsafeName.for_name(kind, "it is no form")
    try:
        form = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=20_000)
    except ValueError:
        raise UnsafeName.for_name(kind, "it is no form") from None
    comes_from = request.headers.get("sec-fetch-site", "same-origin")
    token = form.get("token", [""])[0]
    if comes_from != "same-origin" or not check_token(user, token):
        raise HTTPException(
            403, "The form is not from here, or too old. Go back and read it again."
        )
    return form


Form = Annotated[dict[str, list[str]], Depends(read_form)]
UserName = Annotated[str, Depends(name_of)]
CanDecide = Annotated[bool, Depends(can_decide)]
