"""The rules of expiry are read strictly: a slip of the pen takes nothing away."""

import shutil

import pytest
import yaml

from dbb.errors import PolicyUnreadable
from dbb.expiry_rules import load_expiry
from dbb.model.expiry import By
from dbb.model.kind import Kind
from dbb.settings import INCLUDE, Settings


def load(tmp_path, change):
    for folder in ("endpoints", "policies", "expiry"):
        shutil.copytree(INCLUDE / folder, tmp_path / folder)
    path = tmp_path / "expiry" / "rules.yaml"
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document))
    return load_expiry(Settings.load(tmp_path, {}))


def test_the_documents_rules_come_first_and_the_ends_of_policies_after(tmp_path):
    book = load(tmp_path, lambda _: None)
    assert [rule.name for rule in book.rules] == ["level1", "oods", "level1-frdf"]
    level1, _, end = book.rules
    assert (level1.endpoints, level1.lifetime_days, level1.by) == (
        ("usdf", "frdf"), 30, By.OBSERVATION,
    )  # fmt: skip
    assert level1.needed_copies == 0  # nobody archives it
    assert (end.of_policy, end.by, end.lifetime_days) == (True, By.INGEST, 30)
    assert book.endpoints == ("frdf", "oods", "usdf")


def test_a_policy_that_keeps_for_a_while_is_a_rule_at_its_receiver(tmp_path):
    def change(_):
        path = tmp_path / "policies" / "policies.yaml"
        text = path.read_text().replace("receiver: chile", "receiver: chile\n    keep_days: 90")
        path.write_text(text)

    rules = load(tmp_path, change).rules
    rule = next(each for each in rules if each.name == "products-chile")
    assert (rule.endpoints, rule.kind) == (("chile",), Kind.PRODUCT)
    assert (rule.lifetime_days, rule.needed_copies) == (90, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lifetime_days": 0},
        {"lifetime_days": -30},
        {"lifetime_days": "30"},
        {"lifetime": 30},
        {"by": "mood"},
        {"endpoints": []},
        {"endpoints": ["mars"]},
        {"endpoints": ["summit"]},
        {"kind": "nonsense"},
        {"kind": "product"},  # at the archive, which keeps it for ever
        {"kind": "product", "endpoints": ["frdf"], "copies": 0},
        {"kind": "product", "endpoints": ["frdf"], "verified_within_days": 0},
        {"endpoints": ["oods"]},  # the cache holds raw images
        {"kind": "raw", "endpoints": ["oods"], "dataset_types": ["raw"]},
        {"name": "oods"},
        {"name": "Level 1"},
        {"of_policy": True},
        {"high_percent": 80},
        {"capacity_bytes": 1000},
        {"capacity_bytes": 1000, "high_percent": 40, "low_percent": 80},
        {"capacity_bytes": 1000, "high_percent": 101, "low_percent": 80},
    ],
)
def test_a_rule_that_could_do_harm_is_refused(tmp_path, wrong):
    with pytest.raises(PolicyUnreadable):
        load(tmp_path, lambda document: document["rules"][0].update(wrong))


@pytest.mark.parametrize(
    "wrong", [{"approve_above_percent": 101}, {"approve_above_percent": True}, {"x": 1}]
)
def test_a_document_of_another_shape_is_refused(tmp_path, wrong):
    with pytest.raises(PolicyUnreadable):
        load(tmp_path, lambda document: document.update(wrong))
