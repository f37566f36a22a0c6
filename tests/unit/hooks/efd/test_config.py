"""The configuration: the public tool's shape, read strictly; an error has its file and line."""

import pytest

from dbb.errors import EfdConfigWrong
from dbb.hooks.efd.config import load_config
from dbb.hooks.efd.target import check_target
from dbb.settings import Settings

GOOD = """\
version: "1.0.0"
columns:
  - name: at_salindex201_airflow_speed_mean
    tables: ["exposure_efd", "visit1_efd"]
    function: mean
    datatype: float
    ivoa: {"unit": "m/s", "ucd": "meta.ucd;stat.mean"}
    description: Wind.
    packed_series: False
    subset_field: salIndex
    subset_value: 201
    topics:
      - name: lsst.sal.ESS.airFlow
        fields:
          - name: speed
          - name: salIndex
"""


def load(tmp_path, text):
    path = tmp_path / "transform_latiss.yaml"
    path.write_text(text)
    config = load_config("LATISS", path)
    check_target(config)
    return config


def test_what_the_tools_users_have_can_be_read(tmp_path):
    [column] = load(tmp_path, GOOD).columns
    assert column.topic == "lsst.sal.ESS.airFlow"
    assert column.fields == ["speed"]
    assert column.subset == (201,)


@pytest.mark.parametrize("instrument", Settings.load().raw.instruments)
def test_the_configuration_of_every_instrument_fits_its_schema(instrument):
    config = load_config(instrument)
    check_target(config)
    assert len(config.topics) > 5
    assert {column.function for column in config.wide} >= {"mean", "stddev", "min", "max"}


def test_a_look_back_is_never_lost(tmp_path):
    text = GOOD.replace("function: mean", "function: most_recent_value\n    start_offset: -1")
    assert load(tmp_path, text).columns[0].look_back.total_seconds() == 3600
    with pytest.raises(EfdConfigWrong, match=r"transform_latiss.yaml:6"):
        load(tmp_path, text.replace("start_offset", "start_ofset"))


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("function: mean", "function: average", 5, "function"),
        ("datatype: float", "datatype: floaty", 6, "datatype"),
        ("datatype: float", "datatype: int", 3, "type is 'int', in the schema 'float'"),
        ('"m/s"', '"km/h"', 3, "unit is 'km/h', in the schema 'm/s'"),
        ("airflow_speed_mean", "airflow_speed_average", 3, "no such column"),
        ("visit1_efd", "visit2_efd", 3, "tables"),
        ("    packed_series: False\n", "", 3, "packed_series"),
        ("    description: Wind.", "    description: 7", 8, "description"),
        ("    subset_field: salIndex\n", "", 3, "go together"),
        ("    packed_series", "    function_args: {ddof: 1}\n    packed_series", 3, "no argument"),
        ("          - name: speed", "          - nom: speed", 15, "Field required"),
        ("    function: mean", "    function: mean\n    function: max", 1, "twice"),
        ("    packed_series", "    start_offset: 1.0\n    packed_series", 9, "start_offset"),
    ],
)
def test_an_error_has_its_line(tmp_path, old, new, line, what):
    assert old in GOOD
    with pytest.raises(EfdConfigWrong, match=what) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert caught.value.where == f"transform_latiss.yaml:{line}"


def test_a_column_that_comes_twice_names_both_lines(tmp_path):
    entry = GOOD.split("columns:\n")[1]
    with pytest.raises(EfdConfigWrong, match=r"in line 3") as caught:
        load(tmp_path, GOOD + entry)
    assert caught.value.where == "transform_latiss.yaml:17"


def test_a_statistics_arguments_are_checked(tmp_path):
    text = GOOD.replace("_mean\n", "_stddev\n").replace("function: mean", "function: stddev")
    good = text.replace("    packed", "    function_args: {ddof: 0}\n    packed")
    assert load(tmp_path, good).columns[0].function_args == {"ddof": 0}
    for wrong in ("ddof: one", "ddof: true", "ddof: -1", "dof: 1"):
        with pytest.raises(EfdConfigWrong):
            load(tmp_path, good.replace("ddof: 0", wrong))


def test_an_instrument_without_a_file_or_schema_is_told(tmp_path):
    with pytest.raises(EfdConfigWrong, match=r"transform_nocam\.yaml:1"):
        load_config("NoCam")
    path = tmp_path / "t.yaml"
    path.write_text(GOOD)
    with pytest.raises(EfdConfigWrong, match="no such file"):
        check_target(load_config("NoCam", path))
