"""Every DAG file: it loads, it is light, an operator can read it, and it is accounted for."""

import json

import pytest

from dbb.expiry_rules import load_expiry
from dbb.settings import Settings
from dbb.tags import Tag

DAG_IDS = {"raw_tonight.py": "raw_tonight", "raw_transfer.py": "raw_transfer"}
"""The files that move exposures, and the DAG that each defines."""

SETTINGS = Settings.load()
KEEPERS = (SETTINGS.raw.archive, *SETTINGS.receivers)
AT_ENDPOINTS = {
    "deliver.py": SETTINGS.receivers,
    "efd_load.py": SETTINGS.receivers,
    "scrub.py": KEEPERS,
    "reconcile.py": (SETTINGS.raw.source, *KEEPERS),
    "sweep.py": tuple(name for name in SETTINGS.endpoints if name not in ("summit", "scratch")),
    "expire.py": load_expiry(SETTINGS).endpoints,
}
"""The files that make a DAG for each endpoint, and for which."""


def each_at(file: str) -> dict[str, str]:
    """Name the DAGs that a file makes, with the endpoint of each."""
    return {f"{file.removesuffix('.py')}_{name}": name for name in AT_ENDPOINTS[file]}


DELIVERIES = each_at("deliver.py")
LOADS = each_at("efd_load.py")
OTHERS = {
    "parcel_transfer": "parcel_transfer.py",
    "lfa_replication": "lfa_replication.py",
    "lfa_efd_query": "lfa_backstops.py",
    "lfa_bucket_listing": "lfa_backstops.py",
    "efd_etl": "efd_etl.py",
    "alert_archive": "alert_archive.py",
    "buffer_watch": "buffer_watch.py",
    "repair": "repair.py",
    "parquet_to_qserv": "parquet_to_qserv.py",
    "qserv_rollback": "qserv_rollback.py",
    "qserv_releases": "qserv_releases.py",
    "dr_drill": "dr_drill.py",
    "export_bundle": "export_bundle.py",
    "canary": "canary.py",
    "maintenance": "maintenance.py",
    "alarm_watch": "alarm_watch.py",
    "consdb_check": "consdb_check.py",
}
"""The other DAGs, and the file of each."""

CALIBRATIONS = ("calibration_daily", "calibration_reprocess")

FILES = (
    *DAG_IDS,
    *AT_ENDPOINTS,
    *OTHERS.values(),
    *(f"{name}.py" for name in CALIBRATIONS),
)
"""Every file of ``dags/``."""

ALL = (
    *DAG_IDS.values(),
    *(dag_id for file in AT_ENDPOINTS for dag_id in each_at(file)),
    *OTHERS,
    *CALIBRATIONS,
)

POOLS = {
    **dict.fromkeys((*DELIVERIES, *LOADS), "delivery"),
    **{
        name: "audit"
        for file in ("scrub.py", "reconcile.py", "expire.py")
        for name in each_at(file)
    },
    "parquet_to_qserv": "release",
    "qserv_rollback": "release",
    "qserv_releases": "release",
    "dr_drill": "audit",
    "export_bundle": "export",
    "canary": "audit",
    "maintenance": "default_pool",
    "alarm_watch": "audit",
    "consdb_check": "audit",
    **dict.fromkeys(CALIBRATIONS, "calibration"),
}
"""The pools of the DAGs that do not share tonight's."""

STEPS = {
    "look_for_new_exposures",
    "check_and_land_exposures",
    "judge_exposure_records",
    "register_in_rucio",
    "publish_at_usdf",
    "wait_for_copies",
    "read_archive_copies_again",
    "release_summit_copies",
    "report_the_night",
    "tell_of_failed_steps",
}

DESCRIBE = """
import json, os, sys, time
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization
folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
dags = {}
for dag in bag.dags.values():
    again = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    dags[dag.dag_id] = {
        "file": os.path.basename(dag.fileloc), "doc_md": dag.doc_md, "tags": sorted(dag.tags),
        "description": dag.description, "catchup": dag.catchup, "start": dag.start_date.isoformat(), "runs": dag.max_active_runs,
        "params": {name: dag.params.get_param(name).description for name in dag.params},
        "timetable": type(again.timetable).__name__, "periodic": again.timetable.periodic,
        "tasks": {
            task.task_id: {
                "pool": task.pool, "queue": task.queue, "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
                "weight": task.priority_weight, "retries": task.retries,
                "policy": bool(again.get_task(task.task_id).has_retry_policy),
                "timeout": bool(task.execution_timeout),
                "upstream": sorted(task.upstream_task_ids),
                "outlets": [asset.name for asset in task.outlets],
                "type": task.task_type,
                "links": again.get_task(task.task_id).extra_links,
            }
            for task in dag.tasks
        },
    }
print(json.dumps({"errors": bag.import_errors, "dags": dags}))
"""


@pytest.fixture(scope="module")
def bag(run_airflow_code):
    return json.loads(run_airflow_code(DESCRIBE).splitlines()[-1])


@pytest.fixture(scope="module")
def dags(bag):
    return bag["dags"]


def test_every_file_loads(bag):
    assert bag["errors"] == {}


def test_every_file_is_accounted_for(dags, request):
    folder = request.config.rootpath / "dags"
    assert {path.name for path in folder.glob("*.py")} == set(FILES)
    assert {name: dag["file"] for name, dag in dags.items()} == {
        **{name: file for file, name in DAG_IDS.items()},
        **{dag_id: file for file in AT_ENDPOINTS for dag_id in each_at(file)},
        **OTHERS,
        **{name: f"{name}.py" for name in CALIBRATIONS},
    }


def test_dag_files_are_wiring_only(request):
    for path in (request.config.rootpath / "dags").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 90, path.name


@pytest.mark.parametrize("name", ALL)
def test_an_operator_finds_a_manual_in_the_ui(dags, name):
    manual = dags[name]["doc_md"]
    for heading in ("What it does", "When it is red", "Backfill"):
        assert heading in manual
    assert "Parameters" in manual or not dags[name]["params"]
    for param, description in dags[name]["params"].items():
        assert f"`{param}`" in manual
        assert description


@pytest.mark.parametrize("name", ALL)
def test_tags_come_from_the_closed_set(dags, name):
    assert dags[name]["tags"]
    assert set(dags[name]["tags"]) <= set(Tag)


@pytest.mark.parametrize("name", ALL)
def test_every_step_has_a_pool_a_time_limit_and_the_projects_retry_policy(dags, name):
    for step in dags[name]["tasks"].values():
        is_payload = step["type"] == "MakeCalibrations"
        assert step["pool"] == ("payload" if is_payload else POOLS.get(name, "raw"))
        assert step["timeout"]
        assert step["policy"]


@pytest.mark.parametrize("name", DAG_IDS.values())
def test_the_steps_are_named_as_sentences(dags, name):
    # Tonight's run waits for nothing: the arrival of copies wakes the next one.
    assert set(dags[name]["tasks"]) == STEPS - (
        {"wait_for_copies"} if name == "raw_tonight" else set()
    )


@pytest.mark.parametrize("name", DAG_IDS.values())
def test_the_archive_has_its_queue_and_asset(dags, name):
    step = dags[name]["tasks"]["publish_at_usdf"]
    assert step["queue"] == Settings.load().endpoint("usdf").queue
    assert step["outlets"] == ["raw published at usdf", "parcels published at usdf"]


@pytest.mark.parametrize(("name", "endpoint"), DELIVERIES.items())
def test_every_endpoint_that_receives_has_its_own_dag_queue_and_asset(dags, name, endpoint):
    tasks = dags[name]["tasks"]
    assert set(tasks) == {f"look_for_copies_at_{endpoint}", f"publish_at_{endpoint}"}
    queue = Settings.load().endpoint(endpoint).queue
    assert {step["queue"] for step in tasks.values()} == {queue}
    assert tasks[f"publish_at_{endpoint}"]["outlets"] == [
        f"{what} published at {endpoint}" for what in ("raw", "parcels")
    ]
    assert dags[name]["runs"] == 1
    assert dags[name]["timetable"] == "AssetOrTimeSchedule"


@pytest.mark.parametrize("name", DAG_IDS.values())
def test_an_archive_that_fails_to_publish_does_not_keep_the_copies_waiting(dags, name):
    for step in {"wait_for_copies", "release_summit_copies"} & set(dags[name]["tasks"]):
        assert dags[name]["tasks"][step]["rule"] == "all_done"


@pytest.mark.parametrize("name", DAG_IDS.values())
def test_a_failed_step_is_seen_although_later_steps_go_on(dags, name):
    watcher = dags[name]["tasks"]["tell_of_failed_steps"]
    assert watcher["rule"] == "one_failed"
    assert set(watcher["upstream"]) == set(dags[name]["tasks"]) - {"tell_of_failed_steps"}


def test_a_failure_is_seen_in_every_dag_whose_later_steps_go_on(dags):
    going_on = {"all_done", "none_skipped", "all_done_min_one_success"}
    seen = {
        name
        for name, dag in dags.items()
        if any(task["rule"] in going_on for task in dag["tasks"].values())
    }
    assert {"efd_etl", "lfa_replication", "raw_transfer"} <= seen
    for name in seen:
        tasks = dags[name]["tasks"]
        watcher = tasks["tell_of_failed_steps"]
        assert watcher["rule"] == "one_failed"
        # What a later step waits for in vain is failed with it; what it goes on without is not.
        covered = {
            up
            for each in tasks.values()
            if each["rule"] not in going_on and each is not watcher
            for up in each["upstream"]
        }
        assert set(tasks) - covered - {"tell_of_failed_steps"} <= set(watcher["upstream"]), name


UNMAP = """
import json, os
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.sdk.definitions.mappedoperator import MappedOperator
folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
print(json.dumps({
    f"{dag.dag_id}.{task.task_id}": task.unmap(dict.fromkeys(task.expand_input.value)).map_index_template
    for dag in bag.dags.values() for task in dag.tasks if isinstance(task, MappedOperator)
}))
"""


def test_every_mapped_step_can_be_made_and_has_a_name(run_airflow_code):
    made = json.loads(run_airflow_code(UNMAP).splitlines()[-1])
    assert {"reconcile_usdf.reconcile_at_usdf", "efd_etl.make_and_publish_intervals"} <= set(made)
    assert [name for name, label in made.items() if not label] == []


@pytest.mark.parametrize("name", DAG_IDS.values())
def test_every_step_but_the_watcher_links_to_its_exposures_or_its_night(dags, name):
    night = {"look_for_new_exposures", "report_the_night"}
    for step, task in dags[name]["tasks"].items():
        wanted = "The night" if step in night else "Exposures of this chunk"
        assert task["links"] == ([] if step == "tell_of_failed_steps" else [wanted])


def test_each_endpoint_is_compared_read_and_swept_by_steps_of_its_own(dags):
    for file, steps in {
        "reconcile.py": {"choose_nights", "reconcile_at_{}"},
        "scrub.py": {"reread_copies_at_{}"},
        "sweep.py": {"sweep_store_of_{}"},
    }.items():
        for dag_id, name in each_at(file).items():
            assert set(dags[dag_id]["tasks"]) == {step.format(name) for step in steps}
            assert dags[dag_id]["runs"] == 1


def test_nights_can_be_backfilled_and_outages_are_caught_up(dags):
    assert dags["raw_transfer"]["timetable"] == "CronPartitionTimetable"
    assert dags["raw_transfer"]["periodic"] is True
    assert dags["raw_transfer"]["catchup"] is True


def test_tonight_has_one_run_at_a_time_and_goes_before_other_nights(dags):
    tonight, nights = dags["raw_tonight"], dags["raw_transfer"]
    assert tonight["runs"] == 1
    assert tonight["timetable"] == "AssetOrTimeSchedule"
    heaviest = sum(step["weight"] for step in nights["tasks"].values())
    assert all(step["weight"] > heaviest for step in tonight["tasks"].values())


HEAVY = ("lsst", "rucio", "great_expectations", "pandas", "numpy", "astropy", "boto3", "sqlalchemy")
PARSE = """
import json, runpy, sys, time
import airflow.sdk, airflow.triggers.base, dbb, yaml
before = set(sys.modules)
started = time.process_time()
runpy.run_path(sys.argv[1] if len(sys.argv) > 1 else {path!r})
print(json.dumps({{
    "cpu_s": time.process_time() - started,
    "heavy": sorted({{name.split(".")[0] for name in set(sys.modules) - before}} & set({heavy!r})),
}}))
"""


@pytest.mark.parametrize("file", FILES)
def test_reading_a_dag_file_imports_no_client(run_airflow_code, request, record_property, file):
    root = request.config.rootpath
    code = PARSE.format(path=str(root / "dags" / file), heavy=HEAVY)
    told = json.loads(run_airflow_code(code, PYTHONPATH=str(root / "plugins")).splitlines()[-1])
    record_property("cpu_s", told["cpu_s"])
    assert told["heavy"] == []


FIRST_NIGHTS = """
import datetime as dt, runpy
dag = runpy.run_path({path!r}, init_globals=None)
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.serialization.serialized_objects import DagSerialization
bag = BundleDagBag(dag_folder={path!r}, bundle_path={folder!r}, bundle_name="dags-folder")
timetable = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags["raw_transfer"])).timetable
from airflow.timetables.base import TimeRestriction
import pendulum
first = timetable.next_dagrun_info_v2(
    last_dagrun_info=None,
    restriction=TimeRestriction(pendulum.datetime(2026, 11, 22), None, True),
)
print(first.run_after.isoformat(), first.partition_key)
for latest in (pendulum.datetime(2026, 11, 24), pendulum.datetime(2026, 11, 23, 12, 0)):
    infos = timetable.iter_partition_dagrun_infos(
        earliest=pendulum.datetime(2026, 11, 21), latest=latest
    )
    print(*[info.partition_key for info in infos])
"""


def test_the_partition_key_is_the_night_that_has_just_ended(run_airflow_code, request):
    folder = request.config.rootpath / "dags"
    code = FIRST_NIGHTS.format(path=str(folder / "raw_transfer.py"), folder=str(folder))
    scheduled, whole, short = run_airflow_code(
        code, PYTHONPATH=str(folder.parent / "plugins")
    ).splitlines()[-3:]
    assert scheduled == "2026-11-22T12:30:00+00:00 20261121"
    assert whole == "20261121 20261122 20261123"
    assert short == "20261121 20261122"


def test_the_annex_is_woken_by_objects_and_by_the_clock(dags):
    assert dags["lfa_replication"]["timetable"] == "AssetOrTimeSchedule"
    assert {dags[name]["runs"] for name in OTHERS} == {1}


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_biases_come_before_darks_and_darks_before_flats(dags, name):
    tasks = dags[name]["tasks"]
    assert "settle_bias" in tasks["look_for_dark_groups"]["upstream"]
    assert "settle_dark" in tasks["look_for_flat_groups"]["upstream"]
    for kind in ("dark", "flat"):
        assert tasks[f"look_for_{kind}_groups"]["rule"] == "all_done"
    assert "settle_bias" in tasks["tell_of_failed_steps"]["upstream"]
    assert dags["calibration_reprocess"]["timetable"] == "CronPartitionTimetable"


def test_every_hour_of_the_efd_has_a_run_and_a_failed_step_is_seen(dags):
    dag = dags["efd_etl"]
    assert (dag["catchup"], dag["timetable"]) == (True, "CronDataIntervalTimetable")
    steps = {"expect_the_hours", "find_late_points", "extract_open_hours", "archive_the_hours"}
    steps |= {"plan_intervals", "make_and_publish_intervals", "send_publications"}
    steps |= {"compare_endpoints"}
    assert set(dag["tasks"]) == {*steps, "tell_of_failed_steps"}
    assert set(dag["tasks"]["tell_of_failed_steps"]["upstream"]) == steps
    instruments = Settings.load().raw.instruments
    outlets = dag["tasks"]["archive_the_hours"]["outlets"]
    assert outlets == [f"efd/{name}" for name in instruments]
    assert dag["tasks"]["extract_open_hours"]["rule"] == "none_skipped"
    assert (
        dag["tasks"]["plan_intervals"]["rule"] == "all_done"
    )  # an EFD that is down keeps nothing waiting


QUEUES = {f"DBB_QUEUE_{name.upper()}": name for name in SETTINGS.endpoints}


def test_no_dag_waits_for_the_workers_of_two_endpoints_but_what_goes_from_one_to_the_other(
    run_airflow_code,
):
    """A task that no worker takes holds its run for a day, and a DAG has one run at a time."""
    dags = json.loads(run_airflow_code(DESCRIBE, **QUEUES).splitlines()[-1])["dags"]
    waits_for = {
        dag_id: {step["queue"] for step in dag["tasks"].values()} - {"default"}
        for dag_id, dag in dags.items()
    }
    from_the_summit = {*DAG_IDS.values(), "canary"}
    assert {dag_id for dag_id, queues in waits_for.items() if len(queues) > 1} <= from_the_summit
    for file in AT_ENDPOINTS:
        for dag_id, name in each_at(file).items():
            assert waits_for[dag_id] == {name}, dag_id
            assert dags[dag_id]["runs"] == 1
    (step,) = dags["efd_load_frdf"]["tasks"]
    assert step == "load_at_frdf"


def test_what_misses_no_night_begins_with_the_first_of_the_installation(run_airflow_code):
    dags = json.loads(run_airflow_code(DESCRIBE, DBB_FIRST_NIGHT="20310228").splitlines()[-1])[
        "dags"
    ]
    begins = {dag_id: dag["start"] for dag_id, dag in dags.items() if dag["catchup"]}
    assert set(begins) >= {"raw_transfer", "efd_etl", "alert_archive", "consdb_check"}
    assert set(begins.values()) == {"2031-02-28T00:00:00+00:00"}


def test_each_night_is_held_against_the_rules_and_missed_ones_are_caught_up(dags):
    dag = dags["consdb_check"]
    assert (dag["catchup"], dag["timetable"]) == (True, "CronPartitionTimetable")
    assert dag["tasks"]["check_the_night"]["upstream"] == ["fill_the_night"]


def test_every_night_of_alerts_is_counted_also_where_a_step_before_failed(dags):
    dag = dags["alert_archive"]
    assert (dag["catchup"], dag["timetable"]) == (True, "CronPartitionTimetable")
    steps = {"take_the_stream", "archive_the_shards", "count_the_night"}
    assert set(dag["tasks"]) == {*steps, "tell_of_failed_steps"}
    assert set(dag["tasks"]["tell_of_failed_steps"]["upstream"]) == steps
    assert dag["tasks"]["count_the_night"]["rule"] == "none_skipped"
