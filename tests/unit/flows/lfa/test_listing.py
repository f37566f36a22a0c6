"""Listing the annex: odd names, and what is known already."""

from dbb.flows.lfa import announce
from dbb.flows.lfa_listing import list_bucket, list_day
from support.annex import DAY, KEY, OTHER, available, event, lay, poison, run, state_of


def test_a_day_is_listed_by_the_folders_that_are_known(annex, monkeypatch):
    announce(annex, [event()])
    lay(annex, OTHER)
    lay(annex, "Novelty/new/2026/11/21/x.fits")
    listed = []
    real = annex.source.list_files
    monkeypatch.setattr(
        annex.source, "list_files", lambda prefix: listed.append(prefix) or real(prefix)
    )
    assert list_day(annex, DAY)["new"] == 1
    assert listed == ["DREAM:1/dream/2026/11/21/"]
    assert list_bucket(annex)["new"] == 1
    assert list_day(annex, DAY)["listed"] == 2


def test_a_key_that_is_no_utf8_is_a_row_and_costs_nobody_else(world, annex):
    lay(annex)
    lay(annex, "DREAM/dream/2026/11/21/\udcff.fits")
    found = list_bucket(annex)
    assert (found["new"], found["unusable"]) == (1, 1)
    ((code, payload),) = poison(world)
    assert (code, payload) == ("lfa-event-unusable", "DREAM/dream/2026/11/21/\\xff.fits")
    run(world, annex)
    assert available(world, "frdf") == [KEY]


def test_a_name_that_rucio_cannot_have_is_refused_and_kept_at_its_source(world, annex):
    key = "DREAM/dream/2026/11/21/" + "x" * 300
    lay(annex, key)
    announce(annex, [event(key)])
    assert run(world, annex) == {"refused": 1}
    assert world.codes() == ["unsafe-name"]


def test_objects_copied_before_stamps_were_kept_are_not_all_read_again(world, annex):
    lay(annex)
    announce(annex, [event()])
    run(world, annex)
    annex.objects.settle(state_of(annex), "", "")
    assert list_bucket(annex)["changed"] == 0
    assert state_of(annex).stamp.startswith("6 ")
