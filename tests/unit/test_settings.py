"""Endpoints and policies are data: a slip stops loudly, and a twelfth place is one more file."""

import shutil

import pytest
import yaml

from dbb.errors import BadDayObs, PolicyUnreadable, UnknownEndpoint
from dbb.model.kind import Kind
from dbb.settings import INCLUDE, Settings


@pytest.fixture
def include(tmp_path):
    for name in ("endpoints", "policies"):
        shutil.copytree(INCLUDE / name, tmp_path / name)
    return tmp_path


def change(path, **values):
    document = yaml.safe_load(path.read_text())
    document.update(values)
    path.write_text(yaml.safe_dump(document))


def add_policy(include, **policy):
    path = include / "policies" / "policies.yaml"
    document = yaml.safe_load(path.read_text())
    document["policies"].append(policy)
    path.write_text(yaml.safe_dump(document))


GOOD = {"name": "files-chile", "receiver": "chile", "what": {"kind": "file"}, "sources": ["usdf"]}


def test_what_is_shipped_can_be_read(include):
    settings = Settings.load(include, {})
    assert settings.raw.receivers == ("frdf", "ukdf")
    assert settings.receivers == ("chile", "frdf", "ukdf")
    assert settings.cache.name == "oods"


def test_the_first_night_is_the_installations_own(include):
    assert Settings.load(include, {}).first_night.isoformat() == "2026-11-20T00:00:00+00:00"
    later = Settings.load(include, {"DBB_FIRST_NIGHT": "20310228"})
    assert later.first_night.isoformat() == "2031-02-28T00:00:00+00:00"
    with pytest.raises(BadDayObs):
        Settings.load(include, {"DBB_FIRST_NIGHT": "20310230"}).first_night  # noqa: B018


def test_a_twelfth_endpoint_is_one_more_file(include):
    twelfth = (include / "endpoints" / "frdf.yaml").read_text().replace("frdf", "idac")
    (include / "endpoints" / "idac.yaml").write_text(
        twelfth.replace("FRDF", "IDAC").replace(
            "links: {usdf: 1, ukdf: 2, chile: 3}", "links: {usdf: 1}"
        )
    )
    add_policy(include, name="raw-idac", receiver="idac", what={"kind": "raw"}, sources=["usdf"])
    assert "idac" in Settings.load(include, {}).raw.receivers


def test_fifty_endpoints_are_read(include):
    for number in range(50):
        (include / "endpoints" / f"site{number}.yaml").write_text(
            f"name: site{number}\ntitle: Site {number}\nrole: facility\nstore_url: file:///x\n"
            f"rse: SITE{number}\nbutler: /x\nqueue: default\nlinks: {{usdf: 1}}\n"
        )
        what = {"kind": "product", "instruments": ["LSSTCam"]}
        add_policy(
            include, name=f"p{number}", receiver=f"site{number}", what=what, sources=["usdf"]
        )
    settings = Settings.load(include, {})
    assert len(settings.policies.receivers(Kind.PRODUCT)) == 52


@pytest.mark.parametrize(
    "wrong",
    [
        {"receiver": "nowhere"},
        {"receiver": "usdf"},
        {"receiver": "oods"},
        {"sources": []},
        {"sources": ["ukdf"]},
        {"sources": "usdf"},
        {"what": {}},
        {"what": {"kind": "everything"}},
        {"what": {"kind": "raw", "region": "atlantis"}},
        {"what": {"kind": "raw", "first_day": 20260102, "last_day": 20260101}},
        {"what": {"kind": "raw", "instrument": ["LSSTCam"]}},
        {"copies": 0},
        {"copies": True},
        {"tier": "nearline"},
        {"tier": "tape"},
        {"keep_days": -1},
        {"name": "raw-frdf"},
        {"name": "With Space"},
        {"colour": "blue"},
    ],
)
def test_a_policy_with_a_slip_stops_loudly_and_names_itself(include, wrong):
    add_policy(include, **{**GOOD, **wrong})
    with pytest.raises(PolicyUnreadable, match="policies"):
        Settings.load(include, {})


@pytest.mark.parametrize(
    "text",
    ["", "[]", "policies: 1", "policies: []\nmore: 1", "policies: &a []\nx: *a", "a: 1\na: 2", "{"],
)
def test_a_document_that_is_none_stops_loudly(include, text):
    (include / "policies" / "policies.yaml").write_text(text)
    with pytest.raises(PolicyUnreadable):
        Settings.load(include, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "other"},
        {"role": "king"},
        {"rse": ""},
        {"butler": ""},
        {"links": {"frdf": 1}},
        {"links": {"summit": 1}},
        {"links": {"nowhere": 1}},
        {"links": {"usdf": 0}},
        {"links": ["usdf"]},
        {"tier": "tape"},
        {"buffer_bytes": -5},
        {"queue": 7},
        {"shape": "round"},
    ],
)
def test_an_endpoint_with_a_slip_stops_loudly(include, wrong):
    change(include / "endpoints" / "frdf.yaml", **wrong)
    with pytest.raises(PolicyUnreadable):
        Settings.load(include, {})


def test_a_place_that_no_file_describes_is_unknown(include):
    with pytest.raises(UnknownEndpoint):
        Settings.load(include, {}).endpoint("nowhere")
    (include / "endpoints" / "oods.yaml").unlink()
    with pytest.raises(UnknownEndpoint):
        _ = Settings.load(include, {}).cache
