"""Count the task instances of the busiest day: from the DAG files and their own schedules.

Claim: a day with a night of 3,250 exposures stays below 20,000 task instances.

Each DAG file is read as Airflow reads it: its tasks, which of them are mapped, when the clock starts it on
the day, and how long what wakes it rests after a call. What a busy day brings is in `busy_day`, per
DAG; a DAG with mapped tasks or a watcher that is not in there is an error. How much one task takes
stands in the operators and in ``include/policies/raw.yaml``. Counted is what a worker runs; what Airflow
skips costs a row and no process, and is told beside it.

::

    python benchmarks/day_tasks.py [--exposures 3250] [--night-h 11]
    ./sandbox env .venv/bin/python benchmarks/day_tasks.py --compare

``--compare`` holds the model against all finished runs of a running sandbox: with the chunks that a run
had, has it exactly the rows that the model says, and did no more of them run than the model counts?
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "include")]

from dbb.operators.lfa import OBJECTS_IN_A_TASK
from dbb.settings import Settings

LIMIT = 20_000

DESCRIBE = """
import datetime as dt, json, sys
from croniter import croniter
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization

folder, begin = sys.argv[1], dt.datetime.fromisoformat(sys.argv[2])

def values(data, name):
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inside:
        yield from [value] if key == name else values(value, name)

def starts(expression):
    clock, number = croniter(expression, begin - dt.timedelta(seconds=1)), 0
    while clock.get_next(dt.datetime) < begin + dt.timedelta(days=1):
        number += 1
    return number

bag, dags = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder"), {}
for dag in bag.dags.values():
    timetable = DagSerialization.to_dict(dag)["dag"]["timetable"]
    triggers = [trigger["kwargs"] for trigger in values(timetable, "trigger")]
    mapped = [t.task_id for t in dag.tasks if t.is_mapped or t.get_closest_mapped_task_group()]
    alarms = [t for t in dag.tasks if t.trigger_rule == "one_failed"]
    dags[dag.dag_id] = {
        "clock": sum(starts(each) for each in values(timetable, "expression")),
        "rest_s": min((t.get("rest_s", t["poll_s"]) for t in triggers), default=None),
        "saved": sum(t.get("saved", 0) for t in triggers),
        "plain": len(dag.tasks) - len(mapped), "mapped": mapped, "alarms": len(alarms),
    }
print(json.dumps({"errors": bag.import_errors, "dags": dags}))
"""


@dataclass(frozen=True)
class Dag:
    """What a DAG file says.

    Parameters
    ----------
    clock
        Runs that the clock starts on the day.
    rest_s, saved
        The time from one call of its watcher to the next, and how many calls it saves up; `None` where
        nothing watches.
    plain, mapped
        How many tasks have one row a run; the names of those with a row for each chunk.
    alarms
        How many of the plain ones run only where another has failed.
    """

    clock: int
    rest_s: float | None
    saved: int
    plain: int
    mapped: tuple[str, ...]
    alarms: int

    def rows(self, chunks: int) -> int:
        """Give the rows of a run that has so many chunks."""
        return self.plain + len(self.mapped) * max(1, chunks)


@dataclass(frozen=True)
class Brings:
    """What a day brings a DAG.

    Parameters
    ----------
    calls
        How often something happens that would wake it, were it never to rest.
    hours
        In how many of the day's hours that is.
    chunks
        The chunks that one run has, at most.
    idle
        How many tasks run where there is nothing to do; `None`: all of them, always.
    """

    calls: int = 0
    hours: float = 24
    chunks: int = 1
    idle: int | None = None


def read_dags(day: str = "2026-11-21", folder: Path = ROOT / "dags") -> dict[str, Dag]:
    """Read the DAG files in a process of their own, as Airflow's DAG processor does."""
    with tempfile.TemporaryDirectory() as home:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
        own = {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        command = [sys.executable, "-c", DESCRIBE, str(folder), f"{day}T12:00:00+00:00"]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd=home, env={**kept, **own}
        )
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["errors"], found["errors"]
    return {
        name: Dag(**{**each, "mapped": tuple(each["mapped"])})
        for name, each in found["dags"].items()
    }


def busy_day(
    exposures: int = 3250, night_h: float = 11, calibrations: int = 450, objects: int = 20_000
) -> dict[str, Brings]:
    """Say what the busiest day brings each DAG that has chunks or is woken.

    All exposures come evenly within `night_h`, each wakes the transfer twice (it has come; it may be
    released) and has to go to every receiver of raw exposures; 25 calibration exposures are a group; each
    run of a minute or less has less than a chunk.
    """
    settings = Settings.load()
    raw = {policy.receiver for policy in settings.policies if policy.what.kind.value == "raw"}
    parcels = 24 * len(settings.raw.instruments) + calibrations // 25
    a_minute = math.ceil(exposures / night_h / 60 / settings.raw.chunk_exposures)
    brings = {
        "raw_tonight": Brings(2 * exposures, night_h, a_minute, idle=1),
        "raw_transfer": Brings(idle=2),
        "calibration_daily": Brings(math.ceil(calibrations / 25), idle=4),
        "calibration_reprocess": Brings(idle=4),
        "parcel_transfer": Brings(parcels, idle=1),
        "lfa_replication": Brings(
            objects, chunks=math.ceil(objects / 24 / 6 / OBJECTS_IN_A_TASK), idle=2
        ),
        "efd_etl": Brings(),
        "qserv_releases": Brings(idle=1),
        "parquet_to_qserv": Brings(),
    }
    # The latest night and the one not looked at for longest; ten nights, those with open findings too, are one chunk.
    places = (settings.raw.source, settings.raw.archive, *settings.receivers)
    brings |= {f"reconcile_{name}": Brings() for name in places}
    for name in settings.receivers:
        calls = (exposures if name in raw else 0) + parcels
        brings[f"deliver_{name}"] = Brings(calls, night_h if name in raw else 24, a_minute, idle=1)
    return brings


@dataclass(frozen=True)
class Count:
    """How often a DAG runs on a day, and how many task instances that makes."""

    runs: int
    working: int
    rows: int


def count_day(dags: Mapping[str, Dag], day: Mapping[str, Brings]) -> dict[str, Count]:
    """Count each DAG's runs, the task instances that work, and all rows.

    Whatever the clock starts within the hours that bring something counts as a run with work.
    """
    unknown = {n for n, dag in dags.items() if dag.mapped or dag.rest_s is not None} - set(day)
    assert not unknown, f"busy_day does not say what these are brought: {unknown}"
    counted = {}
    for name, dag in dags.items():
        brings = day.get(name, Brings())
        woken = 0
        if dag.rest_s is not None:
            woken = min(brings.calls, dag.saved + math.ceil(brings.hours * 3600 / dag.rest_s))
        rows = dag.rows(brings.chunks)
        idle_runs = 0 if brings.idle is None else math.floor(dag.clock * (1 - brings.hours / 24))
        full = woken + dag.clock - idle_runs
        if brings.idle is not None:
            # No more runs have work than there is work for.
            full = min(full, woken + brings.calls)
            idle_runs = woken + dag.clock - full
        working = full * (rows - dag.alarms) + idle_runs * (brings.idle or 0)
        counted[name] = Count(full + idle_runs, working, (full + idle_runs) * rows)
    return counted


def compare(dags: Mapping[str, Dag], day: Mapping[str, Brings], database: str) -> int:
    """Print what a sandbox's Airflow has; give the number of runs that the model has wrong."""
    question = """
        select r.dag_id, r.run_id, t.task_id, count(*), count(*) filter (where t.state <> 'skipped')
        from dag_run r join task_instance t using (dag_id, run_id)
        where r.state = 'success' group by 1, 2, 3
    """
    runs: dict[tuple[str, str], dict[str, tuple[int, int]]] = {}
    with psycopg.connect(database) as connection:
        for dag_id, run, task, rows, worked in connection.execute(question):
            runs.setdefault((dag_id, run), {})[task] = (rows, worked)
    told: dict[str, Counter[str]] = {}
    for (name, run), tasks in sorted(runs.items()):
        dag, idle = dags[name], day.get(name, Brings()).idle
        chunks = {task: tasks[task] for task in dag.mapped if task in tasks}
        rows = dag.plain + sum(each for each, _ in chunks.values())
        has_work = idle is None or any(worked for _, worked in chunks.values())
        working = rows - dag.alarms if has_work else int(idle or 0)
        have = sum(each for each, _ in tasks.values())
        worked = sum(each for _, each in tasks.values())
        wrong = rows != have or worked > working
        if wrong:
            print(f"{name} {run}: {have} rows, model {rows}; {worked} ran, model {working}")
        told.setdefault(name, Counter()).update(
            runs=1, rows=rows, have=have, working=working, worked=worked, wrong=wrong
        )
    print("| DAG | runs | rows: model, Airflow | ran: model, Airflow |\n|---|---|---|---|")
    for name, sums in told.items():
        row = (
            sums["runs"],
            f"{sums['rows']}, {sums['have']}",
            f"{sums['working']}, {sums['worked']}",
        )
        print(f"| `{name}` | {' | '.join(map(str, row))} |")
    return sum(sums["wrong"] for sums in told.values())


def main() -> None:
    """Print the day, DAG by DAG; or hold the model against a sandbox."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--exposures", type=int, default=3250)
    parser.add_argument("--night-h", type=float, default=11)
    parser.add_argument("--compare", action="store_true")
    given = parser.parse_args()
    dags, day = read_dags(), busy_day(given.exposures, given.night_h)
    if given.compare:
        database = os.environ["DBB_POSTGRES_URL"].replace("+psycopg", "")
        wrong = compare(dags, day, f"{database.rpartition('/')[0]}/airflow")
        print(f"{wrong} runs are not as the model says")
        sys.exit(1 if wrong else 0)
    counted = count_day(dags, day)
    print(
        "| DAG | runs by the clock | runs | task instances that run | skipped |\n|---|---|---|---|---|"
    )
    for name, count in sorted(counted.items(), key=lambda item: -item[1].working):
        words = (dags[name].clock, count.runs, count.working, count.rows - count.working)
        print(f"| `{name}` | {' | '.join(f'{word:,}' for word in words)} |")
    total = sum(count.working for count in counted.values())
    skipped = sum(count.rows for count in counted.values()) - total
    print(f"| all | | | **{total:,}** (limit {LIMIT:,}) | {skipped:,} |")
    sys.exit(1 if total > LIMIT else 0)


if __name__ == "__main__":
    main()
