"""Whatever is lost on the way to a Qserv: every row is there once."""

from __future__ import annotations

from collections import Counter

import pytest

from dbb.errors import LoadRefused, QservRefused, QservUnavailable
from dbb.flows import qserv_ingesting
from dbb.flows.qserv_handoff import publish_catalog, reconcile_rows
from dbb.flows.qserv_views import Stage
from support.qserv_handoff import finish, load_all, prepare, wait
from support.qserv_place import plant
from support.qserv_rows import keys

pytestmark = pytest.mark.qserv

LOST = {
    "starting": {"kind": "lost", "match": {"path": "/ingest/trans", "method": "POST"}},
    "allocating": {"kind": "lost", "match": {"path": "/ingest/chunks"}},
    "submitting": {"kind": "lost", "match": {"path": "/ingest/file-async"}, "times": 3},
    "not submitting": {"kind": "refuse", "match": {"path": "/ingest/file-async"}, "times": 3},
    "committing": {"kind": "lost", "match": {"path": "/ingest/trans/*", "method": "PUT"}},
    "not committing": {"kind": "refuse", "match": {"path": "/ingest/trans/*", "method": "PUT"}},
    "reading": {"kind": "status", "match": {"path": "/ingest/trans*", "method": "GET"}, "times": 2},
    "a worker dies": {"kind": "kill", "match": {"stage": "read"}},
    "a worker dies in a load": {"kind": "kill", "match": {"stage": "load"}},
    "disk full": {"kind": "disk_full"},
    "slow": {"kind": "slow", "match": {"stage": "load"}, "seconds": 1, "times": 2},
    "commit fails": {"kind": "fail", "match": {"path": "/ingest/trans/*", "method": "PUT"}},
    "start fails": {"kind": "fail", "match": {"path": "/ingest/trans", "method": "POST"}},
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_whatever_is_lost_every_row_is_there_once(contract, handoff, inputs, fault):
    prepare(handoff, *inputs)
    plant(contract, **fault)
    for _ in range(5):
        try:
            load_all(handoff, wait)
            break
        except (QservUnavailable, QservRefused):
            continue
    finish(handoff)
    assert keys(contract, handoff) == Counter(range(400))
    assert keys(contract, handoff, "ForcedSource") == Counter(dict.fromkeys(range(400), 3))


def test_a_client_that_forgets_what_it_committed_is_found_out(
    contract, handoff, inputs, monkeypatch
):
    prepare(handoff, *inputs)
    find = qserv_ingesting._own_transactions
    monkeypatch.setattr(
        qserv_ingesting,
        "_own_transactions",
        lambda *given: [each for each in find(*given) if each.state != "FINISHED"],
    )
    plant(contract, **LOST["committing"])
    load_all(handoff, wait)
    with pytest.raises(LoadRefused, match="0 expected"):
        reconcile_rows(handoff)
    monkeypatch.undo()
    with pytest.raises(LoadRefused, match="twice"):
        load_all(handoff, wait)


def test_a_lost_answer_to_publishing_is_read_back(contract, handoff, inputs):
    prepare(handoff, *inputs)
    load_all(handoff, wait)
    reconcile_rows(handoff)
    plant(contract, "lost", match={"path": "/ingest/database/*"})
    with pytest.raises(QservUnavailable):
        publish_catalog(handoff)
    publish_catalog(handoff)
    assert handoff.records.find("tiny", handoff.row.endpoint).stage is Stage.PUBLISHED


def test_a_publication_that_may_be_at_work_is_waited_for(contract, handoff, inputs):
    prepare(handoff, *inputs)
    load_all(handoff, wait)
    reconcile_rows(handoff)
    open_one = handoff.server.start(handoff.plan.database, {})
    with pytest.raises(QservRefused, match="uncommitted"):
        publish_catalog(handoff)
    plant(contract, "refuse", match={"path": "/ingest/database/*"})
    with pytest.raises(QservUnavailable, match="ConnectionError"):
        publish_catalog(handoff)
    with pytest.raises(QservUnavailable, match="an earlier request may still be at work"):
        publish_catalog(handoff)
    handoff.server.end(open_one, abort=True)
    publish_catalog(handoff)
    assert handoff.records.find("tiny", handoff.row.endpoint).stage is Stage.PUBLISHED
