"""Rucio's policy package, as far as it does not need Rucio."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

POLICY = Path(__file__).resolve().parents[3] / "include/sandbox/rucio/policy"


@pytest.fixture
def policy(monkeypatch):
    monkeypatch.syspath_prepend(str(POLICY))
    import dbb_rucio_policy
    import dbb_rucio_policy.permission

    yield dbb_rucio_policy
    for name in [n for n in sys.modules if n.startswith("dbb_rucio_policy")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("path", "name", "did"),
    [
        ("/raw/LSSTCam/20261120/", "a.zip", ("LSSTCam/20261120/a.zip", "raw")),
        ("/raw/", "a.zip", ("a.zip", "raw")),
    ],
)
def test_a_path_is_turned_back_into_its_file_identifier(policy, path, name, did):
    assert policy.pfn2lfn({"path": path, "name": name}) == did


def account(name):
    return SimpleNamespace(external=name)


def test_the_service_account_may_register_but_not_build(policy):
    may = policy.permission.has_permission
    dbb = account("dbb")
    assert may(dbb, "add_replicas", {}, session=None) is True
    assert may(dbb, "add_rule", {"account": dbb}, session=None) is True
    assert may(dbb, "add_rule", {"account": account("other")}, session=None) is False
    # None leaves the decision to Rucio's generic policy, which allows these to root only.
    for action in ("add_rse", "add_protocol", "add_account", "config_set", "del_rse"):
        assert may(dbb, action, {}, session=None) is None
    assert may(account("guest"), "add_replicas", {}, session=None) is None
