"""The plugins folder: Airflow reads one file of it, and disturbs no library."""

import json

LOAD = """
import json, os, sys, types
import rucio
before = (sys.modules["rucio"].__file__, sys.modules["types"].__file__)
from airflow import plugins_manager, settings
plugins = plugins_manager._get_plugins()
after = (sys.modules["rucio"].__file__, sys.modules["types"].__file__)
print(json.dumps({
    "plugins": [plugin.name for plugin in plugins[0]], "errors": plugins[1],
    "same": before == after,
    "bare": [name for name in ("ports", "errors", "wiring", "ledger") if name in sys.modules],
    "twice": [name for name in sys.modules if name in ("dbb_plugin", "airflow_local_settings")],
    "policy": settings.get_policy_plugin_manager().hook.task_instance_mutation_hook.get_hookimpls()
    != [],
}))
"""


def test_airflow_reads_one_plugin_and_replaces_no_module(run_airflow_code):
    told = json.loads(run_airflow_code(LOAD).splitlines()[-1])
    assert told["errors"] == {}
    assert told["plugins"].count("dbb") == 1
    assert told["same"]
    assert told["bare"] == []
    assert told["policy"]


POLICY = """
import json
from types import SimpleNamespace as Thing
from airflow import settings
def pool(run_id, pool="raw", run_type=None):
    task = Thing(run_id=run_id, pool=pool)
    run = None if run_type is None else Thing(run_type=run_type)
    settings.task_instance_mutation_hook(task, dag_run=run)
    return task.pool
print(json.dumps([
    pool("scheduled__x"), pool("backfill__x"), pool("scheduled__x", run_type="backfill"),
    pool("backfill__x", "audit"), pool(None), pool("asset_triggered__x", run_type="asset_triggered"),
]))
"""


def test_a_backfill_never_takes_a_slot_from_tonight(run_airflow_code):
    told = json.loads(run_airflow_code(POLICY).splitlines()[-1])
    assert told == ["raw", "catchup", "catchup", "audit", "raw", "raw"]
