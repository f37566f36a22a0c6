"""Speak with Qserv's ingest servers: the controller, and one server on every worker.

Whatever happens, the answer's status is 200: ``success`` says whether it did. The version that is sent
is the server's own, within the range that this client knows. Source: Qserv's documentation, *Ingest
API reference*; where it differs from the code, the code.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import requests

from dbb.errors import QservRefused, QservUnavailable, QservUnfit
from dbb.hooks.certificates import made_clear
from dbb.hooks.qserv.pushing import Form
from dbb.hooks.qserv.serving import hide_signatures
from dbb.model.qserv import (
    AUTOMATIC_RETRIES,
    ChunkFile,
    Contribution,
    ContributionStatus,
    Location,
    ReleasePlan,
    Transaction,
    TransactionState,
)

LEAST_VERSION, MOST_VERSION = 37, 55
BATCH_ALLOCATION_SINCE = 54
CHARSET_SINCE = 49
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10, 120
LONG_TIMEOUT_S = 8 * 3600
"""Committing, publishing and indexing are answered when they are done."""
CHARSET = "utf8mb4"
"""Of the files; Qserv's own default would read UTF-8 as Latin 1."""
_DIALECT: dict[str, Any] = {
    "fields_terminated_by": "\t",
    "fields_enclosed_by": "\0",
    "fields_escaped_by": "\\",
    "lines_terminated_by": "\n",
}
_SPELT_DIALECT = {
    "fields_terminated_by": r"\t",
    "fields_enclosed_by": r"\0",
    "fields_escaped_by": "\\\\",
    "lines_terminated_by": r"\n",
}
"""The same for a form, whose fields are text between line ends: as SQL writes it."""


class QservClient:
    """Ask one endpoint's Qserv.

    Parameters
    ----------
    url
        The controller's address.
    auth_key, admin_auth_key
        What is sent with whatever changes something; the second only to take back what is published.
    ca
        A file of the authorities to believe, instead of those that all web servers are believed by;
        empty for none.
    patience_s
        How long to wait for what is answered when it is done: committing, publishing, indexing. Who
        gives up earlier finds out later, by reading what it has become.
    served_ca
        A file of the authorities by which workers believe the server of chunk files; empty for those
        that their machines believe.
    """

    def __init__(
        self,
        url: str,
        auth_key: str,
        admin_auth_key: str = "",
        ca: str = "",
        patience_s: float = LONG_TIMEOUT_S,
        served_ca: str = "",
    ) -> None:
        self._patience_s = patience_s
        self.url = url.rstrip("/")
        self._auth_key, self._admin_auth_key = auth_key, admin_auth_key
        self._session = requests.Session()
        self._ca, self._served_ca = ca, served_ca

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    # -- the server and its catalogues -------------------------------------------------------------

    def version(self) -> int:
        """Give the version that is spoken.

        Raises
        ------
        QservUnfit
            If the server's is outside of the range that this client knows.
        """
        return self._version

    @cached_property
    def _version(self) -> int:
        version = int(self._send("GET", f"{self.url}/meta/version")["version"])
        if not LEAST_VERSION <= version <= MOST_VERSION:
            raise QservUnfit.for_reason(
                self.url, f"Its API has version {version}, not {LEAST_VERSION} to {MOST_VERSION}"
            )
        return version

    def families(self) -> Sequence[Mapping[str, Any]]:
        """List the database families."""
        return list(self._config()["database_families"])

    def workers(self) -> int:
        """Count the workers that take rows."""
        return sum(
            bool(each.get("is-enabled")) and not each.get("is-read-only")
            for each in self._config()["workers"]
        )

    def catalog(self, database: str) -> Mapping[str, Any] | None:
        """Describe a database, or None where there is none."""
        for each in self._config()["databases"]:
            if each["database"] == database:
                return dict(each)
        return None

    def register_database(self, plan: ReleasePlan) -> None:
        """Register a database."""
        self._change(
            "POST",
            "/ingest/database",
            database=plan.database,
            num_stripes=plan.layout.stripes,
            num_sub_stripes=plan.layout.sub_stripes,
            overlap=plan.layout.overlap,
            auto_build_secondary_index=1,
        )

    def register_authority(self, database: str) -> None:
        """Have workers believe the server of chunk files, where its authority is one of the site's.

        Raises
        ------
        QservUnfit
            If the file of authorities cannot be read.
        """
        if not self._served_ca:
            return
        try:
            certificates = Path(self._served_ca).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = f"The file of authorities cannot be read ({type(error).__name__})"
            raise QservUnfit.for_reason("DBB_QSERV_SERVED_CA_<ENDPOINT>", why) from error
        self._change(
            "PUT",
            "/ingest/config",
            database=database,
            SSL_VERIFYPEER=1,
            SSL_VERIFYHOST=2,
            CAINFO_VAL=certificates,
        )

    def register_table(self, request: Mapping[str, Any]) -> None:
        """Register a table."""
        body = dict(request)
        if self.version() < CHARSET_SINCE:
            body.pop("charset_name", None)
            body.pop("collation_name", None)
        self._change("POST", "/ingest/table", **body)

    # -- transactions --------------------------------------------------------------------------------

    def start(self, database: str, context: Mapping[str, Any]) -> int:
        """Begin a transaction; give its number."""
        answer = self._change("POST", "/ingest/trans", database=database, context=dict(context))
        return int(answer["databases"][database]["transactions"][0]["id"])

    def transactions(self, database: str) -> list[Transaction]:
        """List the transactions of a database with their contexts."""
        asked = {"database": database, "include_context": "1"}
        answer = self._get("/ingest/trans", asked)
        return [_transaction(each) for each in answer["databases"][database]["transactions"]]

    def transaction(self, number: int) -> Transaction:
        """Read a transaction with its contributions."""
        asked = {"contrib": "1", "contrib_long": "1", "include_context": "1"}
        answer = self._get(f"/ingest/trans/{number}", asked)
        (database,) = answer["databases"].values()
        return _transaction(database["transactions"][0])

    def allocate(self, transaction: int, chunks: Sequence[int]) -> list[Location]:
        """Give chunks their workers; asking again gives the same."""
        if self.version() >= BATCH_ALLOCATION_SINCE:
            found = self._change(
                "POST", "/ingest/chunks", transaction_id=transaction, chunks=list(chunks)
            )["locations"]
        else:
            found = [
                self._change("POST", "/ingest/chunk", transaction_id=transaction, chunk=chunk)[
                    "location"
                ]
                for chunk in chunks
            ]
        return [self._location(each, int(each["chunk"])) for each in found]

    def regular_locations(self, transaction: int) -> list[Location]:
        """Give the workers, each of which must have all rows of a regular table."""
        body = {"transaction_id": transaction, "version": self.version()}
        answer = self._send("GET", f"{self.url}/ingest/regular", body=body)
        return [self._location(each, 0) for each in answer["locations"]]

    def submit(self, where: Location, transaction: int, file: ChunkFile, url: str) -> int:
        """Have a worker load a file; give the contribution's number. It does not wait."""
        answer = self._change(
            "POST",
            "/ingest/file-async",
            at=where.url,
            transaction_id=transaction,
            table=file.table,
            chunk=file.chunk,
            overlap=int(file.is_overlap),
            url=url,
            charset_name=CHARSET,
            max_retries=AUTOMATIC_RETRIES,
            **_DIALECT,
        )
        return int(answer["contrib"]["id"])

    def push(
        self, where: Location, transaction: int, file: ChunkFile, name: str, source: BinaryIO
    ) -> None:
        """Send a file to a worker, and wait until it is loaded.

        Who gets no answer reads what the worker has of it: it may be all, a part, or nothing.

        Raises
        ------
        DigestMismatch
            If the file is not what its record says; the worker has a part of it then.
        """
        fields = {
            "auth_key": self._auth_key,
            "version": self.version(),
            "transaction_id": transaction,
            "table": file.table,
            "chunk": file.chunk,
            "overlap": int(file.is_overlap),
            "charset_name": CHARSET,
            **_SPELT_DIALECT,
        }
        form = Form(fields, name, source, file)
        self._send("POST", f"{where.url}/ingest/csv", form=form, timeout_s=self._patience_s)

    def retry(self, where: Location, contribution: int) -> None:
        """Have a worker read a file once more."""
        self._change("PUT", f"/ingest/file-async/{contribution}", at=where.url)

    def cancel(self, where: Location, transaction: int) -> None:
        """Have a worker drop the files of a transaction that it has not begun to load."""
        self._change("DELETE", f"/ingest/file-async/trans/{transaction}", at=where.url)

    def end(self, transaction: int, *, abort: bool) -> None:
        """Commit or abort. Who gets no answer reads what it has become; it is never sent again."""
        self._change(
            "PUT", f"/ingest/trans/{transaction}?abort={int(abort)}", timeout_s=self._patience_s
        )

    # -- after the transactions ------------------------------------------------------------------------

    def count_rows(self, database: str, table: str) -> None:
        """Have the rows of a table counted by transaction, chunk and overlap, and nothing kept of before.

        Qserv adds to what it counted, and keeps the counters of what was aborted since.
        """
        self._change(
            "DELETE", f"/ingest/table-stats/{database}/{table}", timeout_s=self._patience_s
        )
        self._change(
            "POST",
            "/ingest/table-stats",
            timeout_s=self._patience_s,
            database=database,
            table=table,
            overlap_selector="CHUNK_AND_OVERLAP",
            force_rescan=1,
            row_counters_state_update_policy="ENABLED",
            row_counters_deploy_at_qserv=0,
        )

    def row_counters(self, database: str, table: str) -> dict[tuple[int, int, bool], int]:
        """Read the counted rows: by transaction, chunk, and whether it is an overlap."""
        entries = self._get(f"/ingest/table-stats/{database}/{table}", {})["entries"]
        return {
            (int(each["transaction_id"]), int(each["chunk"]), bool(each["is_overlap"])): int(
                each["num_rows"]
            )
            for each in entries
        }

    def publish(self, database: str) -> None:
        """Make a database visible."""
        self._change(
            "PUT",
            f"/ingest/database/{database}",
            timeout_s=self._patience_s,
            consolidate_secondary_index=0,
            row_counters_deploy_at_qserv=0,
        )

    def build_director_index(self, database: str, table: str) -> None:
        """Build the index from a director's keys to chunks; again if it is there."""
        self._change(
            "POST",
            "/ingest/index/secondary",
            timeout_s=self._patience_s,
            database=database,
            director_table=table,
            rebuild=1,
            local=0,
        )

    def build_index(self, database: str, table: str, column: str) -> None:
        """Build an index of a column at every chunk; no-op where all have it.

        An index that some chunks lack, or have otherwise, is dropped and built anew. Source: Qserv's
        documentation, *Data Table Indexes*.
        """
        index = {"database": database, "table": table, "index": f"idx_{column}"}
        known = self._get(f"/replication/sql/index/{database}/{table}", {})["status"]["indexes"]
        states = {each["name"].lower(): each["status"] for each in known}
        state = states.get(index["index"].lower())
        if state == "COMPLETE":
            return
        if state is not None:
            with contextlib.suppress(QservRefused):  # by the chunks that have none
                self._change(
                    "DELETE", "/replication/sql/index", timeout_s=self._patience_s, **index
                )
        self._change(
            "POST",
            "/replication/sql/index",
            timeout_s=self._patience_s,
            spec="DEFAULT",
            columns=[{"column": column, "length": 0, "ascending": 1}],
            **index,
        )

    def deploy_row_counters(self, database: str, table: str) -> None:
        """Let Qserv's planner use the counted rows."""
        self._change(
            "POST",
            "/ingest/table-stats",
            timeout_s=self._patience_s,
            database=database,
            table=table,
            overlap_selector="CHUNK_AND_OVERLAP",
            force_rescan=0,
            row_counters_state_update_policy="ENABLED",
            row_counters_deploy_at_qserv=1,
        )

    def delete_database(self, database: str) -> None:
        """Delete a database with its rows; one that is published needs the administrator's key."""
        path = f"/ingest/database/{database}"
        if self._admin_auth_key:
            self._change(
                "DELETE", path, timeout_s=self._patience_s, admin_auth_key=self._admin_auth_key
            )
        else:
            self._change("DELETE", path, timeout_s=self._patience_s)

    # -- the wire ----------------------------------------------------------------------------------------

    def _config(self) -> dict[str, Any]:
        return dict(self._get("/replication/config", {})["config"])

    def _location(self, told: Mapping[str, Any], chunk: int) -> Location:
        host = told.get("http_host_name") or told["http_host"]
        scheme = self.url.partition("://")[0]
        return Location(chunk, str(told["worker"]), f"{scheme}://{host}:{told['http_port']}")

    def _get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        return self._send("GET", self.url + path, query={**query, "version": str(self.version())})

    def _change(
        self, verb: str, path: str, *, at: str = "", timeout_s: float = READ_TIMEOUT_S, **body: Any
    ) -> dict[str, Any]:
        body = {"auth_key": self._auth_key, "version": self.version(), **body}
        return self._send(verb, (at or self.url) + path, body=body, timeout_s=timeout_s)

    def _send(
        self,
        verb: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Form | None = None,
        timeout_s: float = READ_TIMEOUT_S,
    ) -> dict[str, Any]:
        what = f"{verb} {url}"
        try:
            answer = self._session.request(
                verb, url, params=query, json=body, data=cast(Any, form),
                headers={"Content-Type": form.content_type} if form else None,
                timeout=(CONNECT_TIMEOUT_S, timeout_s),
                # Said of the session, a variable of the environment would go before it.
                verify=self._ca or None,
            )  # fmt: skip
            if answer.status_code >= 500:
                raise QservUnavailable.for_cause(what, f"status {answer.status_code}")
            document = answer.json()
        except (OSError, ValueError) as error:  # what requests raises is an OSError, all of it
            failure = QservUnavailable.for_cause(what, type(error).__name__)
            raise made_clear(failure, error, "DBB_QSERV_CA_<ENDPOINT>") from error
        if answer.status_code != requests.codes.ok or not document.get("success", 1):
            told = document.get("error") or f"status {answer.status_code}"
            told = hide_signatures(f"{told} {document.get('error_ext') or ''}".strip())
            raise QservRefused.for_answer(what, told)
        return dict(document)


def _transaction(told: Mapping[str, Any]) -> Transaction:
    files = (told.get("contrib") or {}).get("files", [])
    return Transaction(
        id=int(told["id"]),
        state=TransactionState(told["state"]),
        context=dict(told.get("context") or {}),
        contributions=tuple(_contribution(each) for each in files),
    )


def _contribution(told: Mapping[str, Any]) -> Contribution:
    return Contribution(
        id=int(told["id"]),
        worker=str(told["worker"]),
        table=str(told["table"]),
        chunk=int(told["chunk"]),
        is_overlap=bool(told["overlap"]),
        url=str(told["url"]),
        status=ContributionStatus(told["status"]),
        rows=int(told["num_rows"]),
        rows_loaded=int(told["num_rows_loaded"]),
        size_bytes=int(told["num_bytes"]),
        warnings=int(told["num_warnings"]),
        retry_allowed=bool(told["retry_allowed"]),
        retries=int(told.get("num_failed_retries", 0)),
        error=hide_signatures(str(told.get("error", ""))),
        age_s=time.time() - int(told.get("create_time", 0)) / 1000,
    )
