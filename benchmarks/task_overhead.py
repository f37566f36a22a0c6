"""Measure what one task of ours costs when it has nothing to do: seconds, and CPU-seconds of Airflow.

Needs a running sandbox, of whichever executor. Everything but `raw_transfer` is paused; that runs for
nights at which nothing was taken, so that each run is two tasks that open the ledger, list a folder and
end. What Airflow's processes use while nothing runs is taken off.

::

    ./sandbox env .venv/bin/python benchmarks/task_overhead.py [--nights 20]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from urllib.error import HTTPError

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include")]

from sandbox import rest
from sandbox.layout import Layout
from sandbox.lifecycle import Sandbox
from sandbox.night import Night
from sandbox.processes import family

DAG = "raw_transfer"
TICKS = os.sysconf("SC_CLK_TCK")
SINCE = """
    select t.run_id, t.queued_dttm, t.start_date, t.end_date from task_instance t
    where t.dag_id = %s and t.run_id = any(%s) and t.state = 'success' order by t.start_date
"""


def cpu_s(sandbox: Sandbox) -> dict[str, float]:
    """Give the CPU time of each service and of all children it ever had."""
    used = {}
    for service in sandbox.services:
        process = service.process()
        if process is None:
            continue
        ticks = 0
        for member in family(process, service.mark):
            try:
                stat = Path(f"/proc/{member.pid}/stat").read_text()
            except OSError:
                continue
            ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
        used[service.name] = ticks / TICKS
    return used


def pause_all_but(night: Night, kept: str) -> list[str]:
    """Pause the DAGs and let this one go on; give the names of those that ran before."""
    api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags"
    token = night.token()
    found = rest.call("GET", f"{api}?limit=100", token=token)["dags"]
    for dag in found:
        paused = dag["dag_id"] != kept
        if dag["is_paused"] != paused:
            body = {"is_paused": paused}
            rest.call("PATCH", f"{api}/{dag['dag_id']}", body=body, token=token)
    return [dag["dag_id"] for dag in found if not dag["is_paused"]]


def active(connection: psycopg.Connection) -> int:
    """Count the tasks that run or wait to run, and the DAG's runs that are not over."""
    question = """
        select (select count(*) from task_instance where state in ('queued', 'running', 'restarting'))
             + (select count(*) from dag_run where dag_id = %s and state in ('queued', 'running'))
    """
    row = connection.execute(question, (DAG,)).fetchone()
    assert row is not None
    return int(row[0])


def trigger(night: Night, key: str) -> str:
    """Start a run for a night; give its name."""
    api = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags/{DAG}/dagRuns"
    body = {"logical_date": None, "partition_key": key}
    try:
        return str(rest.call("POST", api, body=body, token=night.token())["dag_run_id"])
    except HTTPError as error:
        raise SystemExit(error.read().decode()) from error


def main() -> None:
    """Print one row of a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--nights", type=int, default=20)
    given = parser.parse_args()
    layout = Layout.find()
    sandbox, night = Sandbox(layout), Night(layout, print, "20180101")
    database = night.env["DBB_POSTGRES_URL"].replace("+psycopg", "").rpartition("/")[0]
    were_on = pause_all_but(night, DAG)
    with psycopg.connect(f"{database}/airflow", autocommit=True) as connection:
        end = time.monotonic() + 180
        while active(connection) and time.monotonic() < end:
            time.sleep(2)
        before = cpu_s(sandbox)
        time.sleep(20)
        idle = {name: (used - before[name]) / 20 for name, used in cpu_s(sandbox).items()}
        before, began = cpu_s(sandbox), time.monotonic()
        runs = [trigger(night, f"2018{1 + n // 28:02}{1 + n % 28:02}") for n in range(given.nights)]
        left = given.nights
        while left:
            time.sleep(0.5)
            question = "select count(*) from dag_run where dag_id = %s and run_id = any(%s) and state in ('queued', 'running')"
            (left,) = connection.execute(question, (DAG, runs)).fetchone() or (0,)
        wall_s = time.monotonic() - began
        used = {
            name: after - before[name] - idle[name] * wall_s
            for name, after in cpu_s(sandbox).items()
        }
        rows = connection.execute(SINCE, (DAG, runs)).fetchall()
    for name in were_on:
        url = f"{night.env['DBB_AIRFLOW_URL']}/api/v2/dags/{name}"
        rest.call("PATCH", url, body={"is_paused": False}, token=night.token())
    tasks = len(rows)
    assert tasks == 2 * given.nights, f"{tasks} tasks ran"
    waits = [(start - queued).total_seconds() for _, queued, start, _ in rows]
    works = [(end - start).total_seconds() for _, _, start, end in rows]
    # The DAG processor reads files whether or not anything runs.
    parts = {n: u for n, u in used.items() if n.startswith(("airflow", "redis")) and "dag" not in n}
    airflow = sum(parts.values())
    print(
        f"| {layout.executor()} | {tasks} | {statistics.median(waits):.2f} s | "
        f"{statistics.median(works):.2f} s | {tasks / wall_s:.2f} | {airflow / tasks:.2f} | "
        f"{used['postgres'] / tasks:.2f} | {sum(idle.values()):.2f} |"
    )
    for name, each in used.items():
        print(f"  {name}: {each / tasks:.3f} CPU-s a task, {idle[name]:.3f} cores idle")
    print(f"  load {os.getloadavg()}")


if __name__ == "__main__":
    main()
