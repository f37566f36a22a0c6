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


WEIGHT = """
import gc, json, sys, time
import airflow.plugins_manager
sys.path.insert(0, {plugins!r})
gc.disable()  # it would look at all that Airflow holds
before, began = set(sys.modules), time.process_time()
import dbb_plugin
plugin = dbb_plugin.DbbPlugin()
print(json.dumps({{
    "cpu_s": time.process_time() - began, "modules": sorted(set(sys.modules) - before),
}}))
"""


def test_the_plugin_costs_other_processes_next_to_nothing(run_airflow_code, request):
    code = WEIGHT.format(plugins=str(request.config.rootpath / "plugins"))
    told = json.loads(run_airflow_code(code).splitlines()[-1])
    assert told["modules"] == ["dbb_plugin"]
    assert told["cpu_s"] < 0.05


SERVED = """
import json, sys
from airflow import plugins_manager
[app] = [app for app in plugins_manager.get_fastapi_plugins()[0] if app["url_prefix"] == "/dbb"]
told = {"links": sorted(link.name for link in plugins_manager.get_operator_extra_links()
        if type(link).__module__ == "dbb.operators.links")}
from fastapi import FastAPI
from fastapi.testclient import TestClient
whole = FastAPI()
whole.mount(app["url_prefix"], app["app"])
told["stranger"] = TestClient(whole).get("/dbb/night/20261121").status_code
from airflow.api_fastapi.core_api.security import get_user
from dbb.settings import Settings
from dbb.wiring.base import open_ledger
open_ledger(Settings.load(), "test").migrate()
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
create_auth_manager()
app["app"].dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="anne", role="VIEWER")
client = TestClient(whole)
told["pages"] = [client.get(path).status_code for path in (
    "/dbb/night/20261121", "/dbb/exposure/MC_O_20261121_000001")]
told["heavy"] = sorted(set(sys.modules) & {
    "lsst", "rucio", "boto3", "astropy", "great_expectations", "pandas"})
told["errors"] = plugins_manager.get_import_errors()
views = [view for view in plugins_manager._get_ui_plugins()[0] if "/dbb/" in view["href"]]
told["menu"] = [client.get(view["href"].removeprefix("/airflow")).status_code for view in views]
told["first"] = (views[0]["name"], views[0]["href"], views[0]["nav_top_level"])
print(json.dumps(told))
"""


def test_the_api_server_serves_guarded_pages_without_butler_or_rucio(run_airflow_code, tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.db"
    told = json.loads(run_airflow_code(SERVED, DBB_LEDGER_URL=url).splitlines()[-1])
    assert told == {
        "links": ["Exposures of this chunk", "The night"],
        "stranger": 401,
        "pages": [200, 404],
        "heavy": [],
        "menu": [200] * 10,
        "first": ["Data Backbone", "/dbb/nights", True],
        "errors": {},
    }


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
