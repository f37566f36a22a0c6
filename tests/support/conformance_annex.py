"""What every ledger must know of the annex's objects: run with a fixture ``ledger``."""

from __future__ import annotations

import datetime as dt

from dbb.digests import digest_bytes
from dbb.errors import BadDocument
from dbb.hooks.lfa import SqlLfaObjects
from dbb.model.lfa import Announcement
from support.fake_clock import FixedClock


def test_an_object_of_the_annex_goes_one_way_only(ledger):
    objects = SqlLfaObjects(ledger)
    said = Announcement.of_listing("bucket", "DREAM:1/dream/2026/11/21/x.fits")
    assert objects.announce([(said, "replicate", True)] * 2) == 1
    late = BadDocument.for_document("x", "too late")
    at = FixedClock().now()
    objects.wait(said.key, late, at)
    (known,) = objects.by_key([said.key])
    objects.check(known, digest_bytes(b"x"), "0" * 32, "1 tag")
    objects.refuse(known, late, "", at)
    objects.wait(said.key, late, at)
    objects.assign([said.key], "lfa/20261121/objects-1")
    objects.assign([said.key], "lfa/20261121/objects-2")
    objects.seal("lfa/20261121/objects-1")
    (found,) = objects.of_day(20261121, "sealed")
    assert (found.state, found.unit, found.size_bytes) == ("sealed", "lfa/20261121/objects-1", 1)
    assert (found.code, found.md5, found.stamp) == ("", "0" * 32, "1 tag")
    objects.send_back(said.key, late)
    assert [each.key for each in objects.of_unit(found.unit)] == [said.key]
    assert (objects.due(9), objects.loose(9), objects.units_to_seal()) == ([], [], [])
    assert objects.announce([(said, "replicate", True)]) == 0
    assert objects.folders() == ["DREAM:1/dream"]


def test_an_object_of_the_annex_is_merged_compared_and_looked_for_in_turn(ledger):
    clock = ledger._clock
    objects = SqlLfaObjects(ledger)
    keys = [f"DREAM/dream/2026/11/21/{number}.fits" for number in range(3)]
    for key in keys:
        objects.announce([(Announcement.of_listing("bucket", key), "replicate", False)])
        clock.advance(1)
    assert [each.key for each in objects.due(2)] == keys[:2]
    objects.wait(keys[0], None, clock.now() + dt.timedelta(hours=1))
    assert [each.key for each in objects.due(9)] == keys[1:]
    assert objects.note_stamps({keys[0]: "1 tag", "unknown": "1 tag"}) == 0
    assert len(objects.due(9)) == 3
    (known,) = objects.by_key(keys[:1])
    objects.check(known, digest_bytes(b"x"), "0" * 32, "1 tag")
    assert objects.note_stamps({keys[0]: "1 tag"}) == 0
    topic = "lsst.sal.Novelty.logevent_largeFileObjectAvailable"
    for fields in ({"byteSize": 1}, {"checkSum": "1" * 32, "byteSize": 2, "id": "a"}):
        for key in keys[:2]:
            said = Announcement.of_event(topic, {"url": f"s3://bucket/{key}", **fields})
            assert objects.announce([(said, "ingest", True)]) == 0
    first, second = objects.by_key(keys[:2])
    assert (first.csc, first.declared_bytes, bool(first.doubt)) == ("DREAM", 2, True)
    assert (second.csc, second.declared_md5, second.doubt) == ("Novelty", "1" * 32, "")
    assert [each.key for each in objects.doubtful(9)] == keys[:1]
    objects.settle(known, "2" * 32, "1 other")
    assert [each.key for each in objects.doubtful(9)] == keys[:1], "it was declared meanwhile"
    objects.settle(first, "2" * 32, "1 other")
    assert objects.doubtful(9) == []
    assert objects.note_stamps({keys[0]: "2 tag"}) == 1
    assert objects.note_stamps({keys[0]: "2 tag"}) == 1
    objects.note_dataset(keys[0], "an-id", None)
    assert objects.holders(["an-id", "none"]) == {"an-id": keys[0]}
    assert objects.newest() == clock.now() - dt.timedelta(seconds=1)


def test_up_to_when_the_efd_was_asked_goes_forward_only(ledger):
    objects = SqlLfaObjects(ledger)
    assert objects.efd_asked_until("efd") is None
    later = FixedClock().now()
    for at in (later - dt.timedelta(hours=1), later, later - dt.timedelta(hours=2)):
        objects.note_efd_asked("efd", at)
    assert objects.efd_asked_until("efd") == later
