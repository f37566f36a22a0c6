"""Where the links of a task in Airflow's UI lead."""

import pytest
from airflow.sdk import DAG, task_group
from airflow.serialization.serialized_objects import DagSerialization

from dbb.operators.archive import CheckAndLandExposures
from dbb.operators.arrivals import LookForNewExposures
from dbb.operators.endpoints import PublishAtEndpoint
from dbb.operators.links import ExposuresOfThisChunk, TheNight
from dbb.operators.report import ReportTheNight
from support.tiny_camera import unit_name

pytestmark = pytest.mark.filterwarnings("default")


def chunk_link(*units):
    step = CheckAndLandExposures(task_id="land", units=list(units))
    return ExposuresOfThisChunk().get_link(step, ti_key=None)


def test_a_chunk_leads_to_its_part_of_the_night():
    assert chunk_link(unit_name(1), unit_name(2), unit_name(3)) == (
        "/dbb/night/20261121?first=MC_O_20261121_000001&last=MC_O_20261121_000003"
    )


@pytest.mark.parametrize("others", [[], [f"{unit_name(1)}.2"]])
def test_a_chunk_of_one_exposure_leads_to_its_story(others):
    assert chunk_link(unit_name(1), *others) == "/dbb/exposure/MC_O_20261121_000001"


@pytest.mark.parametrize("units", [[], None, "{{ not rendered }}"])
def test_a_task_that_failed_before_it_knew_its_units_has_no_link(units):
    step = CheckAndLandExposures(task_id="land", units=units)
    assert ExposuresOfThisChunk().get_link(step, ti_key=None) == ""


def test_parcels_have_no_link_and_no_error():
    assert chunk_link("lfa/20261121/objects-1") == ""


def test_every_step_of_a_chunk_has_the_link_and_the_dag_knows_it_although_it_is_mapped():
    with DAG("links", schedule=None) as dag:

        @task_group
        def chunk(units):
            PublishAtEndpoint(task_id="publish", units=units, endpoint="usdf")

        chunk.expand(units=LookForNewExposures(task_id="look", tonight=False).output)
    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert again.get_task("chunk.publish").extra_links == ["Exposures of this chunk"]
    assert again.get_task("look").extra_links == ["The night"]


@pytest.mark.parametrize(
    "make",
    [
        lambda: LookForNewExposures(task_id="look", tonight=False),
        lambda: ReportTheNight(task_id="report", tonight=False),
    ],
)
def test_a_task_about_a_night_leads_to_it_even_when_it_fails(make, context, monkeypatch):
    step = make()
    assert TheNight().get_link(step, ti_key=None) == ""

    def down(_):
        raise ConnectionError

    monkeypatch.setattr(f"{type(step).__module__}.open_for_run", down)
    with pytest.raises(ConnectionError):
        step.execute(context)
    assert TheNight().get_link(step, ti_key=None) == "/dbb/night/20261121"


def test_tonights_tasks_lead_to_the_latest_night(context):
    context["dag_run"].partition_key = None
    step = ReportTheNight(task_id="report", tonight=True)
    nights = step.execute(context)
    assert TheNight().get_link(step, ti_key=None) == f"/dbb/night/{max(nights)}"


def test_the_links_stay_below_the_path_at_which_airflow_is_served(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://dbb.example.org/airflow/")
    assert chunk_link(unit_name(1)) == "/airflow/dbb/exposure/MC_O_20261121_000001"
