"""Airflow, asked by its public REST interface (version 2) as a user of it: pausing, backfills.

Source: Airflow's documentation, *Airflow REST API*.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from dbb.errors import AirflowRefused, AirflowUnavailable
from dbb.flows.catching_up import Backfill
from dbb.flows.maintenance import Working
from dbb.hooks.certificates import REQUESTS_CA, made_clear
from dbb.settings import Settings

OWNER = "data backbone"
"""Whose DAGs are the backbone's, as the DAG files say."""
TIMEOUT_S = 30
PAGE = 100
WORKING = ("queued", "running", "restarting")


class AirflowRest:
    """Speak with one Airflow.

    Parameters
    ----------
    url
        Its address.
    user, password
        A user with the role ``Op``.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url.rstrip("/")
        self._login = {"username": user, "password": password}
        self._session = requests.Session()

    @classmethod
    def of(cls, settings: Settings) -> AirflowRest:
        """Read the address and the user from ``DBB_AIRFLOW_URL``, ``_USER``, ``_PASSWORD``."""
        names = ("DBB_AIRFLOW_URL", "DBB_AIRFLOW_USER", "DBB_AIRFLOW_PASSWORD")
        return cls(*(settings.value(name) for name in names))

    # -- holding DAGs ------------------------------------------------------------------------------

    def dags(self) -> dict[str, bool]:
        """Say of each DAG of the backbone whether it is paused."""
        found = self._pages("/dags", "dags", {"owners": OWNER})
        return {each["dag_id"]: bool(each["is_paused"]) for each in found}

    def pause(self, dag_id: str) -> None:
        """Start no task of a DAG from now on."""
        self._ask("PATCH", f"/dags/{dag_id}", body={"is_paused": True})

    def unpause(self, dag_id: str) -> None:
        """Start the tasks of a DAG again."""
        self._ask("PATCH", f"/dags/{dag_id}", body={"is_paused": False})

    def working(self) -> list[Working]:
        """List the tasks of the backbone that run or are handed to a worker."""
        ours = self.dags()
        found = self._pages(
            "/dags/~/dagRuns/~/taskInstances", "task_instances", {"state": list(WORKING)}
        )
        return [
            Working(each["dag_id"], each["dag_run_id"], each["task_id"], each["state"])
            for each in found
            if each["dag_id"] in ours
        ]

    # -- backfills ---------------------------------------------------------------------------------

    def start_backfill(
        self, dag_id: str, begin: dt.datetime, end: dt.datetime, runs_at_once: int
    ) -> Backfill:
        """Start runs for the partitions between two times, also for those that had one before."""
        body = {
            "dag_id": dag_id,
            "from_date": begin.isoformat(),
            "to_date": end.isoformat(),
            "max_active_runs": runs_at_once,
            "reprocess_behavior": "completed",
        }
        return _backfill(self._ask("POST", "/backfills", body=body))

    def backfills(self, dag_id: str) -> list[Backfill]:
        """List the backfills of a DAG, the last first."""
        asked = {"dag_id": dag_id, "order_by": "-id"}
        return [_backfill(each) for each in self._pages("/backfills", "backfills", asked)]

    def change_backfill(self, number: int, change: str) -> Backfill:
        """``pause``, ``unpause`` or ``cancel`` a backfill."""
        return _backfill(self._ask("PUT", f"/backfills/{number}/{change}"))

    # -- the wire ----------------------------------------------------------------------------------

    def _pages(self, path: str, key: str, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._ask("GET", path, asked={**asked, "limit": PAGE, "offset": offset})
            yield from page[key]
            offset += PAGE
            if offset >= page["total_entries"]:
                return

    def _ask(
        self,
        method: str,
        path: str,
        *,
        asked: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        if "Authorization" not in self._session.headers:
            token = self._send("POST", "/auth/token", body=self._login)["access_token"]
            self._session.headers["Authorization"] = f"Bearer {token}"
        return self._send(method, f"/api/v2{path}", asked=asked, body=body)

    def _send(
        self,
        method: str,
        path: str,
        *,
        asked: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        try:
            answer = self._session.request(
                method, f"{self._url}{path}", params=asked, json=body, timeout=TIMEOUT_S
            )
        except OSError as error:  # what requests raises is one, all of it
            failure = AirflowUnavailable.for_url(self._url, error)
            raise made_clear(failure, error, REQUESTS_CA) from error
        if answer.status_code >= requests.codes.server_error:
            raise AirflowUnavailable.for_url(self._url, f"status {answer.status_code}")
        if not answer.ok:
            raise AirflowRefused.for_request(f"{method} {path}", _why(answer))
        return answer.json()


def _why(answer: requests.Response) -> str:
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.reason
    return f"status {answer.status_code}, {str(detail)[:300]}"


def _backfill(each: Mapping[str, Any]) -> Backfill:
    return Backfill(
        int(each["id"]),
        each["dag_id"],
        dt.datetime.fromisoformat(each["from_date"]),
        dt.datetime.fromisoformat(each["to_date"]),
        bool(each["is_paused"]),
        each["completed_at"] and dt.datetime.fromisoformat(each["completed_at"]),
    )
