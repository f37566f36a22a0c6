"""Objects that are overwritten, deleted or uploaded again at their source."""

import pytest

from dbb.flows.lfa import announce
from dbb.flows.lfa_listing import list_bucket, list_day
from support.annex import DAY, KEY, available, event, lay, run


@pytest.mark.parametrize("find", [lambda a: list_day(a, DAY), list_bucket])
def test_an_object_that_is_overwritten_after_it_was_copied_is_noticed(world, annex, find):
    lay(annex)
    announce(annex, [event()])
    run(world, annex)
    world.clock.advance(60)
    lay(annex, data=b"SIMPLE, and another")
    assert find(annex)["changed"] == 1
    assert run(world, annex) == {"compared": 1}
    (held,) = world.ledger.refusals()
    assert (held.code, held.unit) == ("conflicting-duplicate", f"lfa:{KEY}")
    assert world.stores["usdf"].data(held.kept_as) == b"SIMPLE, and another"
    for endpoint in ("usdf", "frdf"):
        assert world.stores[endpoint].data(f"lfa/{KEY}") == b"SIMPLE"
    assert find(annex)["changed"] == 0
    assert run(world, annex) == {}


def test_an_object_that_is_uploaded_again_with_the_same_bytes_is_no_matter(world, annex):
    lay(annex)
    announce(annex, [event()])
    run(world, annex)
    world.clock.advance(60)
    lay(annex)
    assert list_bucket(annex)["changed"] == 1
    assert run(world, annex) == {"compared": 1}
    assert world.codes() == []
    assert list_bucket(annex)["changed"] == 0


def test_an_object_that_its_source_has_deleted_stays_as_it_was_copied(world, annex):
    lay(annex)
    announce(annex, [event()])
    run(world, annex)
    announce(annex, [event(byteSize=7)])
    annex.source.delete([KEY])
    assert run(world, annex) == {"compared": 1}
    assert run(world, annex) == {}
    assert available(world, "frdf") == [KEY]


def test_an_object_that_changes_while_it_is_copied_is_copied_again(world, annex, monkeypatch):
    lay(annex)
    announce(annex, [event()])
    with monkeypatch.context() as patched:
        real = annex.source.open

        def open_(name, *, cold=False):
            found = real(name, cold=cold)
            world.clock.advance(1)
            lay(annex, data=b"SIMPLE, and another")
            return found

        patched.setattr(annex.source, "open", open_)
        assert run(world, annex) == {"again": 1}
    world.clock.advance(3600)
    assert run(world, annex) == {"checked": 1}
    assert world.stores["frdf"].data(f"lfa/{KEY}") == b"SIMPLE, and another"
