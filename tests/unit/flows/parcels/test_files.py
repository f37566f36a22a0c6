"""Parcels of permanent files, from their producer to published elsewhere."""

import contextlib

import pytest

from dbb.errors import BadDayObs, UnsafeName
from dbb.flows.copies import look_for_copies
from dbb.flows.deciding import Signature
from dbb.flows.parcels import find_parcels, refuse_misnamed, take_parcels
from dbb.flows.publishing import publish_units
from dbb.flows.retrying import retry_units
from dbb.hooks.posix_store import PosixStore
from dbb.model.delivery import State
from dbb.model.parcel import ParcelName
from support.parcel_sites import FILE, move, names


def test_files_that_are_no_datasets_are_replicated_and_verified_and_not_ingested(world):
    world.put(FILE, {"log.txt": b"rain", "deep/er.bin": b"\0" * 1000})
    assert find_parcels(world.backbone()) == [FILE]
    assert move(world, [FILE]) == {"taken": 1, "refused": 0}
    assert world.state(FILE, "frdf") is State.PUBLISHED
    assert world.ledger.deliveries([FILE])[FILE, "frdf"].verified_at
    assert names(world.stores["frdf"], "files/") == [
        "files/20261121/weather-1/deep/er.bin",
        "files/20261121/weather-1/log.txt",
        "files/20261121/weather-1/weather-1.parcel.json",
    ]
    assert world.repositories["frdf"].ingest_calls == 0
    assert world.state(FILE, "chile") is None  # its policy is about products


def test_a_batch_that_is_not_ready_is_left_alone(world):
    world.put(FILE, {"log.txt": b"rain"}, ready=False)
    assert find_parcels(world.backbone()) == []
    assert take_parcels(world.backbone(), [FILE]) == {"taken": 0, "refused": 0}


def test_what_was_taken_is_cleared_away_and_taking_it_again_is_nothing(world):
    world.put(FILE, {"log.txt": b"rain"})
    move(world, [FILE])
    assert names(world.stores["usdf"], "incoming/") == []
    assert find_parcels(world.backbone()) == []
    world.put(FILE, {"log.txt": b"rain"})
    assert move(world, [FILE]) == {"taken": 0, "refused": 0}
    assert world.codes() == []
    assert names(world.stores["usdf"], "incoming/") == []


def test_other_bytes_under_a_name_that_was_taken_are_refused_and_kept(world):
    world.put(FILE, {"log.txt": b"rain"})
    move(world, [FILE])
    world.put(FILE, {"log.txt": b"snow"})
    assert move(world, [FILE]) == {"taken": 0, "refused": 1}
    assert world.codes(FILE) == ["conflicting-duplicate"]
    assert names(world.stores["usdf"], "incoming/") == [
        f"incoming/{FILE}/_REFUSED", f"incoming/{FILE}/log.txt"
    ]  # fmt: skip
    with world.stores["frdf"].open("files/20261121/weather-1/log.txt") as stream:
        assert stream.read() == b"rain"


def test_a_file_called_as_a_document_of_butler_is_a_file_among_files(world):
    world.put(FILE, {"_dimensions.yaml": b"not: ours", "log.txt": b"rain", "log.txt.json": b"{}"})
    assert move(world, [FILE]) == {"taken": 1, "refused": 0}
    assert len(names(world.stores["frdf"], "files/")) == 4


@pytest.mark.parametrize("state", [State.SUSPECT, State.MISSING])
def test_a_parcel_that_stands_aside_is_tried_again(world, state):
    world.put(FILE, {"log.txt": b"rain"})
    move(world, [FILE])
    world.ledger.advance([FILE], "frdf", State.PUBLISHED, state, "for the test")
    rows = list(world.ledger.units([FILE]).values())
    ((_, endpoint, _),) = retry_units(world.backbone(), rows, Signature("Anne", "tried"))
    assert endpoint == "frdf"
    publish_units(world.backbone(), look_for_copies(world.backbone(), "frdf").work, "frdf")
    assert world.state(FILE, "frdf") is State.PUBLISHED


# -- a worker that is killed -----------------------------------------------------------------------


def test_what_comes_while_a_batch_is_cleared_away_stays(world, monkeypatch):
    """Killed in the middle of clearing, the next run takes away what was taken and nothing else."""
    world.put(FILE, {"a.txt": b"rain", "z.txt": b"wind"})
    store = world.stores["usdf"]
    real = PosixStore.delete

    def dying(self, given):
        if self is store:
            given = list(given)
            real(self, given[:1])
            raise KeyboardInterrupt
        real(self, given)

    monkeypatch.setattr(PosixStore, "delete", dying)
    with pytest.raises(KeyboardInterrupt):
        take_parcels(world.backbone(), [FILE])
    monkeypatch.setattr(PosixStore, "delete", real)
    world.put(FILE, {"new.txt": b"snow"}, ready=False)
    assert find_parcels(world.backbone()) == [FILE]
    assert move(world, [FILE]) == {"taken": 0, "refused": 0}
    assert names(store, "incoming/") == [f"incoming/{FILE}/new.txt"]
    assert world.codes() == []
    assert world.state(FILE, "frdf") is State.PUBLISHED


@pytest.mark.parametrize("call", range(1, 30))
def test_a_worker_that_is_killed_anywhere_is_made_up_for_by_the_next(world, monkeypatch, call):
    class Killed(BaseException):
        pass

    world.put(FILE, {"log.txt": b"rain", "b.bin": b"b" * 100})
    store = world.stores["usdf"]
    calls = []
    for name in ("open", "create", "delete", "stat", "move"):
        real = getattr(PosixStore, name)

        def dying(self, *arguments, real=real, **options):
            calls.append(1)
            if self is store and len(calls) == call:
                raise Killed
            return real(self, *arguments, **options)

        monkeypatch.setattr(PosixStore, name, dying)
    with contextlib.suppress(Killed):
        move(world, [FILE])
    calls.extend([1] * 1000)
    move(world, [FILE])
    assert world.state(FILE, "frdf") is State.PUBLISHED
    assert names(world.stores["usdf"], "incoming/") == []
    assert world.codes() == []


# -- names and marks -------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"", b"7", b"nonsense"])
def test_a_mark_that_is_not_ours_costs_only_its_batch(world, mark):
    other = FILE.replace("weather", "other")
    world.put(FILE, {"log.txt": b"rain", "_TAKEN": mark})
    world.put(other, {"log.txt": b"rain"})
    assert move(world, find_parcels(world.backbone())) == {"taken": 1, "refused": 1}
    assert world.codes(FILE) == ["bad-document"]
    assert move(world, find_parcels(world.backbone())) == {"taken": 1, "refused": 0}
    assert world.state(FILE, "frdf") is State.PUBLISHED
    assert world.codes() == []


def test_a_ready_folder_with_a_name_of_no_parcel_is_told_and_not_passed_over(world):
    world.put("files/yesterday/weather", {"log.txt": b"rain"})
    world.put("files/20261121/deep/er", {"log.txt": b"rain"})
    assert refuse_misnamed(world.backbone()) == 2
    assert find_parcels(world.backbone()) == []
    assert sorted((item.unit, item.code) for item in world.ledger.refusals()) == [
        ("files/20261121/deep/er", "unsafe-name"),
        ("files/yesterday/weather", "unsafe-name"),
    ]
    assert "incoming/files/yesterday/weather/log.txt" in names(world.stores["usdf"], "incoming/")
    assert refuse_misnamed(world.backbone()) == 0


@pytest.mark.parametrize("name", ["a b.txt", "sp:ace", "-x"])
def test_a_name_that_no_store_should_have_refuses_the_batch_and_no_other(world, name):
    world.put(FILE, {name: b"x"})
    other = FILE.replace("weather", "other")
    world.put(other, {"log.txt": b"x"})
    assert move(world, [FILE, other]) == {"taken": 1, "refused": 1}
    assert world.codes(FILE) == ["unsafe-name"]
    assert world.state(other, "frdf") is State.PUBLISHED


@pytest.mark.parametrize(
    "text", ["raw/20261121/x", "products/20261121", "products/20261121/../x", "products/1/x"]
)
def test_a_parcel_has_a_plain_name(text):
    with pytest.raises((UnsafeName, BadDayObs)):
        ParcelName.parse(text)
