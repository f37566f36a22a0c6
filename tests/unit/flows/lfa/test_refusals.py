"""Objects that are refused, and good again."""

from dbb.flows.deciding import Signature, reject_refusal, release_refusal
from dbb.flows.lfa import announce
from support.annex import KEY, available, event, lay, run, state_of
from support.fake_store import MemoryStore

ME = Signature("the operator", "it is what we have")


def refuse_one(world, annex):
    """Lay down an object that is shorter than was announced, and have it refused."""
    lay(annex)
    announce(annex, [event(byteSize=7)])
    run(world, annex)


def test_an_object_that_was_refused_goes_through_when_it_is_uploaded_again(world, annex):
    lay(annex, data=b"SIMPL")
    announce(annex, [event(byteSize=6)])
    assert run(world, annex) == {"refused": 1}
    world.clock.advance(3600)
    lay(annex)
    assert run(world, annex) == {"checked": 1}
    assert available(world, "frdf") == [KEY]
    assert world.codes() == []
    assert (state_of(annex).code, state_of(annex).reason) == ("", "")


def test_an_object_that_was_refused_is_not_read_again_while_it_is_the_same(
    world, annex, monkeypatch
):
    refuse_one(world, annex)
    world.clock.advance(3600)
    monkeypatch.setattr(annex.source, "open", None)
    assert run(world, annex) == {"refused": 1}
    assert world.codes() == ["digest-mismatch"]


def test_an_object_that_was_refused_is_tried_again_when_something_else_is_declared(world, annex):
    refuse_one(world, annex)
    world.clock.advance(60)
    announce(annex, [event(byteSize=6)])
    assert run(world, annex) == {"checked": 1}


def test_an_object_that_a_person_releases_goes_through_as_it_is(world, annex):
    refuse_one(world, annex)
    (held,) = world.ledger.refusals()
    release_refusal(world.backbone(), held, ME)
    world.clock.advance(3600)
    assert run(world, annex) == {"checked": 1}
    assert available(world, "frdf") == [KEY]


def test_a_person_who_releases_an_object_does_not_release_the_next_one(world, annex):
    refuse_one(world, annex)
    (held,) = world.ledger.refusals()
    release_refusal(world.backbone(), held, ME)
    world.clock.advance(3600)
    lay(annex, data=b"SIMPL")
    assert run(world, annex) == {"refused": 1}
    assert world.codes() == ["digest-mismatch"]


def test_an_object_that_a_person_rejects_stays_where_it_is(world, annex):
    refuse_one(world, annex)
    (held,) = world.ledger.refusals()
    reject_refusal(world.backbone(), held, ME)
    world.clock.advance(3600)
    assert run(world, annex) == {"refused": 1}
    assert world.codes() == []


def test_a_copy_that_is_damaged_on_its_way_is_made_again_by_itself(world, annex, monkeypatch):
    lay(annex)
    announce(annex, [event()])
    with monkeypatch.context() as patched:
        real = MemoryStore.put

        def put(store, name, data):
            real(store, name, data)
            if name == f"lfa/{KEY}":
                store.rot(name)

        patched.setattr(MemoryStore, "put", put)
        assert run(world, annex) == {"again": 1}
    assert state_of(annex).code == "digest-mismatch"
    world.clock.advance(60)
    assert run(world, annex) == {"checked": 1}
    assert world.codes() == []
