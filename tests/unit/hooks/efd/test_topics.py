"""The list of topics is read strictly."""

import pytest

from dbb.errors import PolicyUnreadable
from dbb.hooks.efd.topics import load_topics
from dbb.model.efd import Cadence
from dbb.settings import INCLUDE, Settings
from sandbox.synthetic_efd.fields import FIELDS

CAMERAS = frozenset({"LSSTCam", "LATISS"})
GOOD = """topics:
  - name: lsst.sal.ESS.temperature
    instruments: [LSSTCam]
    cadence: continuous
    units: {"temperatureItem*": deg_C, total: K}
"""


def load(tmp_path, text):
    path = tmp_path / "topics.yaml"
    path.write_text(text)
    return load_topics(path, CAMERAS)


def test_the_list_that_is_installed_can_be_read_and_is_what_the_generator_writes():
    topics = load_topics(INCLUDE / "efd" / "topics.yaml", CAMERAS)
    assert set(topics) == set(FIELDS)
    assert set(Settings.load().raw.instruments) <= {
        name for topic in topics.values() for name in topic.instruments
    }
    events = {name for name, topic in topics.items() if topic.cadence is Cadence.EVENT}
    assert events == {name for name in topics if ".logevent_" in name}
    for name, topic in topics.items():
        for field in topic.units:
            stem = field.removesuffix("*")
            length = FIELDS[name].get(stem)
            numbered = [each for each in FIELDS[name] if each.startswith(stem)]
            assert (length or 0) > 0 if field.endswith("*") and length is not None else numbered


def test_a_unit_is_of_a_field_or_of_the_elements_of_an_array(tmp_path):
    topic = load(tmp_path, GOOD)["lsst.sal.ESS.temperature"]
    assert topic.unit_of("temperatureItem12") == "deg_C"
    assert topic.unit_of("total") == "K"
    for name in ("temperatureItem", "temperatureItemX", "temperatureItem1X", "other"):
        assert topic.unit_of(name) == ""


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("topics:", "topic:", "no list of `topics`"),
        ("lsst.sal.ESS.temperature", "summit.lsst.sal.ESS.temperature", "lsst.sal.CSC.NAME"),
        ("lsst.sal.ESS.temperature", 'lsst.sal.ESS.x"; drop series', "lsst.sal.CSC.NAME"),
        ("[LSSTCam]", "[LSSTcam]", "no instrument is called LSSTcam"),
        ("[LSSTCam]", "[]", "instruments are none"),
        ("[LSSTCam]", "[LSSTCam, LSSTCam]", "comes twice"),
        ("cadence: continuous", "cadence: often", "continuous or event"),
        ("cadence: continuous", "cadence: event\n    rate: 1", "rate"),
        ("total: K", "to tal: K", "is no field"),
        ("total: K", 'total: ""', "has no unit"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, why):
    with pytest.raises(PolicyUnreadable, match=why):
        load(tmp_path, GOOD.replace(old, new))


def test_a_topic_comes_once(tmp_path):
    with pytest.raises(PolicyUnreadable, match="comes twice"):
        load(tmp_path, GOOD + GOOD.removeprefix("topics:\n"))
