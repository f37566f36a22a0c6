"""Turn rows of the store into the documents that FTS3 answers with."""

from __future__ import annotations

import json
from typing import Any

# FTS3's name of a file's field -> the store's column
_FILE_FIELDS = {
    "file_state": "state",
    "source_surl": "source",
    "dest_surl": "destination",
    "start_time": "start_time",
    "finish_time": "finish_time",
    "reason": "reason",
    "filesize": "filesize",
    "checksum": "checksum",
    "activity": "activity",
}


def job_document(row: dict[str, Any]) -> dict[str, Any]:
    """Describe a job and its files, as ``GET /jobs/ID?files=…`` does."""
    params = json.loads(row["params"])
    return {
        "job_id": row["job_id"],
        "job_state": row["state"],
        "job_type": row["kind"],
        "job_metadata": params.get("job_metadata") or {},
        "priority": row["priority"],
        "submit_time": row["submit_time"],
        "job_finished": row["finish_time"],
        "verify_checksum": row["verify"],
        "overwrite_flag": bool(row["overwrite"]),
        "http_status": "200 Ok",
        "files": [file_document(file) for file in row["files"]],
    }


def file_document(row: dict[str, Any]) -> dict[str, Any]:
    """Describe one file; there is no tape here, so the two staging times are always null."""
    return {
        "file_id": row["file_id"],
        "job_id": row["job_id"],
        **{name: row[column] for name, column in _FILE_FIELDS.items()},
        "staging_start": None,
        "staging_finished": None,
        "file_metadata": json.loads(row["metadata"]),
    }


def unknown_job(job_id: str) -> dict[str, Any]:
    """Say that a job is unknown, so that Rucio takes its transfers for lost and starts anew."""
    return {
        "job_id": job_id,
        "http_status": "404 Not Found",
        "http_message": f"No job with the id {job_id} has been found",
    }
