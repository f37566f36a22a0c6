"""What every store promises, whoever keeps it: the fakes pass the same suite as the real ones.

A test module makes a class of it and says in a fixture which store is meant::

    class TestPosixStore(StoreConformance):
        @pytest.fixture
        def store(self, tmp_path): return PosixStore(tmp_path)
"""

from __future__ import annotations

import datetime as dt
import threading
import urllib.request
from hashlib import sha256

import pytest

from dbb.errors import MissingCopy, NoReadUrl, Transient, UnsafeName
from dbb.ports.store import Store

UNSAFE = [
    "",
    ".",
    "..",
    "/etc/passwd",
    "../outside",
    "a/../../outside",
    "a/..",
    "a//b",
    "a/",
    "a/./b",
    "nul\0byte",
    ".hidden",
    "a/.hidden/b",
]
UNSAFE_TARGETS = [*UNSAFE, "line\nfeed", "esc\x1b[31m", "-rf", "caf\u00e9", "x" * 300, "b.part"]

BIG_BYTES = 9 * 1024 * 1024 + 1


def write(store: Store, name: str, data: bytes) -> None:
    """Create a file in one piece."""
    with store.create(name) as writer:
        assert writer.write(data) == len(data)


def read(store: Store, name: str, *, cold: bool = False) -> bytes:
    """Read a whole file."""
    with store.open(name, cold=cold) as file:
        return file.read()


def fetch(url: str) -> bytes:
    """Read an address as anybody would, with no key and no S3 client."""
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - a store's own address
        return bytes(answer.read())


def names(store: Store, prefix: str = "") -> list[str]:
    """List names only."""
    return [file.name for file in store.list_files(prefix)]


class Boom(Exception):
    """Stand for any failure of whoever writes."""


class StoreConformance:
    """The promises of ``dbb.ports.store.Store``; the fixture ``store`` gives an empty one."""

    gives_urls = False
    """Whether others can read its files by an address."""
    sweeps_begun_files = True
    """Whether a file of ``BIG_BYTES`` is in the store, unseen, before it is whole."""

    @pytest.mark.parametrize("name", UNSAFE)
    def test_a_name_that_could_leave_the_root_is_refused(self, store: Store, name: str) -> None:
        write(store, "good", b"1")
        with pytest.raises(UnsafeName):
            store.stat(name)
        with pytest.raises(UnsafeName):
            store.url_of(name)
        with pytest.raises(UnsafeName), store.open(name):
            pass
        with pytest.raises(UnsafeName):
            store.delete([name])
        with pytest.raises(UnsafeName):
            store.move(name, "elsewhere")
        assert names(store) == ["good"]

    @pytest.mark.parametrize("name", UNSAFE_TARGETS)
    def test_a_file_never_gets_an_unsafe_name(self, store: Store, name: str) -> None:
        write(store, "good", b"1")
        with pytest.raises(UnsafeName), store.create(name):
            pass
        with pytest.raises(UnsafeName):
            store.move("good", name)
        assert names(store) == ["good"]

    def test_a_file_reads_as_it_was_written(self, store: Store) -> None:
        with store.create("raw/a.fits") as writer:
            assert writer.write(b"one ") == 4
            assert writer.write(b"") == 0
            assert writer.write(b"two") == 3
        assert read(store, "raw/a.fits") == b"one two"

    def test_a_file_is_described_by_name_size_and_time(self, store: Store) -> None:
        write(store, "raw/a.fits", b"12345")
        described = store.stat("raw/a.fits")
        assert described is not None
        assert (described.name, described.size_bytes) == ("raw/a.fits", 5)
        assert described.modified_at.utcoffset() == dt.timedelta(0)
        assert list(store.list_files("raw/")) == [described]

    def test_its_url_is_that_of_the_store_and_its_name(self, store: Store) -> None:
        assert not store.url.endswith("/")
        assert store.url_of("raw/a.fits") == f"{store.url}/raw/a.fits"

    def test_an_empty_file_is_a_file(self, store: Store) -> None:
        with store.create("empty"):
            pass
        described = store.stat("empty")
        assert described is not None
        assert described.size_bytes == 0
        assert read(store, "empty", cold=True) == b""

    def test_a_file_of_nine_mebibytes_comes_back_the_same(self, store: Store) -> None:
        data = bytes(range(251)) * (BIG_BYTES // 251 + 1)
        write(store, "big", data)
        assert sha256(read(store, "big")).digest() == sha256(data).digest()
        assert sha256(read(store, "big", cold=True)).digest() == sha256(data).digest()

    def test_a_reader_may_seek(self, store: Store) -> None:
        data = bytes(range(256)) * 5000
        write(store, "raw/a.zip", data)
        with store.open("raw/a.zip") as file:
            assert file.seekable()
            assert file.seek(-22, 2) == len(data) - 22
            assert file.read() == data[-22:]
            file.seek(1000)
            assert file.read(10) == data[1000:1010]
            assert file.tell() == 1010
            file.seek(len(data) + 5)
            assert file.read(1) == b""

    def test_a_file_is_not_visible_before_it_is_whole(self, store: Store) -> None:
        with store.create("raw/a") as writer:
            writer.write(b"half")
            assert store.stat("raw/a") is None
            assert names(store) == []
        assert names(store) == ["raw/a"]

    @pytest.mark.parametrize("size", [0, 10, BIG_BYTES])
    def test_an_abandoned_file_leaves_nothing_behind(self, store: Store, size: int) -> None:
        with pytest.raises(Boom), store.create("raw/a") as writer:  # noqa: PT012
            writer.write(b"x" * size)
            raise Boom
        assert store.stat("raw/a") is None
        assert names(store) == []

    def test_a_new_file_replaces_the_old_one_at_once(self, store: Store) -> None:
        write(store, "a", b"old and longer")
        with store.create("a") as writer:
            writer.write(b"new")
            assert read(store, "a") == b"old and longer"
        assert read(store, "a", cold=True) == b"new"

    def test_an_abandoned_replacement_leaves_the_old_file(self, store: Store) -> None:
        write(store, "a", b"old")
        with pytest.raises(Boom), store.create("a") as writer:  # noqa: PT012
            writer.write(b"new")
            raise Boom
        assert read(store, "a") == b"old"

    def test_of_two_writers_one_wins_whole(self, store: Store) -> None:
        both_wrote = threading.Barrier(2, timeout=60)

        def write_slowly(letter: bytes) -> None:
            with store.create("same/name") as writer:
                writer.write(letter * 1000)
                both_wrote.wait()
                writer.write(letter * 1000)

        threads = [threading.Thread(target=write_slowly, args=(x,)) for x in (b"a", b"b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read(store, "same/name") in (b"a" * 2000, b"b" * 2000)
        assert names(store) == ["same/name"]

    def test_a_listing_is_sorted_and_complete(self, store: Store) -> None:
        expected = ["a.b", "a/b", "a/c/d", "a0", "b/a", "c"]
        for name in reversed(expected):
            write(store, name, b"x")
        assert names(store) == sorted(expected)

    def test_a_folder_is_not_a_prefix(self, store: Store) -> None:
        for name in ("raw/a", "rawother/b", "raw.c", "raw2"):
            write(store, name, b"x")
        assert names(store, "raw/") == ["raw/a"]
        with pytest.raises(UnsafeName):
            names(store, "raw")

    def test_a_missing_folder_has_no_files(self, store: Store) -> None:
        write(store, "a", b"x")
        assert names(store, "nowhere/at/all/") == []
        assert names(store, "a/") == []

    @pytest.mark.parametrize("prefix", ["../", "/", "a/../", "a//"])
    def test_an_unsafe_folder_is_refused(self, store: Store, prefix: str) -> None:
        with pytest.raises(UnsafeName):
            names(store, prefix)

    def test_a_missing_file_is_a_missing_copy(self, store: Store) -> None:
        write(store, "raw/a", b"x")
        assert store.stat("raw/b") is None
        assert store.stat("raw") is None
        for name in ("raw/b", "raw", "raw/a/b", "nowhere/b"):
            with pytest.raises(MissingCopy), store.open(name):
                pass

    def test_deleting_takes_the_file_and_empty_folders(self, store: Store) -> None:
        for name in ("n/e/1", "n/e/2", "n/f/1", "keep/1"):
            write(store, name, b"x")
        store.delete(["n/e/1", "n/e/2", "n/f/1"])
        assert names(store) == ["keep/1"]
        assert names(store, "n/") == []

    def test_deleting_again_changes_nothing(self, store: Store) -> None:
        write(store, "a/1", b"x")
        write(store, "a/2", b"x")
        for _ in range(2):
            store.delete(["a/1", "never/was"])
            assert names(store) == ["a/2"]
        store.delete([])
        assert names(store) == ["a/2"]

    def test_many_files_are_deleted_in_one_call(self, store: Store) -> None:
        many = [f"m/{number:04d}" for number in range(1001)]
        write(store, many[0], b"x")
        write(store, many[-1], b"x")
        store.delete(many)
        assert names(store) == []

    def test_the_store_works_on_after_its_last_file_went(self, store: Store) -> None:
        write(store, "a/1", b"x")
        store.delete(["a/1"])
        write(store, "a/2", b"y")
        assert names(store) == ["a/2"]

    def test_moving_renames_whole_files(self, store: Store) -> None:
        data = b"0123456789" * 100_000
        write(store, "raw/a", data)
        store.move("raw/a", "quarantine/2026/a")
        assert names(store) == ["quarantine/2026/a"]
        assert read(store, "quarantine/2026/a", cold=True) == data

    def test_moving_again_changes_nothing(self, store: Store) -> None:
        write(store, "a", b"1")
        for _ in range(2):
            store.move("a", "b/c")
            assert names(store) == ["b/c"]
            assert read(store, "b/c") == b"1"

    def test_moving_to_its_own_name_keeps_a_file(self, store: Store) -> None:
        write(store, "a", b"1")
        store.move("a", "a")
        assert read(store, "a") == b"1"

    def test_moving_replaces_what_is_there(self, store: Store) -> None:
        write(store, "a", b"new")
        write(store, "b", b"old")
        store.move("a", "b")
        assert names(store) == ["b"]
        assert read(store, "b", cold=True) == b"new"

    def test_moving_what_never_was_is_a_missing_copy(self, store: Store) -> None:
        with pytest.raises(MissingCopy):
            store.move("a", "b")
        assert names(store) == []

    # -- what killed writers leave -----------------------------------------------------------------

    def test_a_writer_that_never_ends_is_never_seen_and_is_swept_once(self, store: Store) -> None:
        write(store, "raw/whole", b"x")
        unfinished = store.create("raw/unfinished")
        unfinished.__enter__().write(b"x" * BIG_BYTES)
        now = dt.datetime.now(dt.UTC)
        assert store.sweep_parts(dt.datetime(2000, 1, 1, tzinfo=dt.UTC)) == []
        swept = store.sweep_parts(now + dt.timedelta(days=1000))
        assert len(swept) <= 1  # S3 keeps what is smaller than a part with the writer
        assert all("unfinished" in name for name in swept)
        assert store.sweep_parts(now + dt.timedelta(days=1000)) == []
        assert names(store) == ["raw/whole"]
        assert read(store, "raw/whole", cold=True) == b"x"
        assert not unfinished.__exit__(Boom, Boom(), None)
        assert names(store) == ["raw/whole"]

    def test_a_swept_writer_that_was_alive_after_all_fails(self, store: Store) -> None:
        if not self.sweeps_begun_files:
            pytest.skip("nothing of a file this small is in the store before its end")
        unfinished = store.create("raw/slow")
        writer = unfinished.__enter__()
        writer.write(b"x" * BIG_BYTES)
        store.sweep_parts(dt.datetime.now(dt.UTC) + dt.timedelta(days=1000))
        with pytest.raises(Transient):
            unfinished.__exit__(None, None, None)
        assert names(store) == []

    # -- addresses for others ----------------------------------------------------------------------

    def test_its_address_for_others_reads_as_the_file_or_it_says_that_it_has_none(
        self, store: Store
    ) -> None:
        write(store, "raw/a", b"0123456789")
        [name] = names(store)
        if not self.gives_urls:
            with pytest.raises(NoReadUrl, match="gives no address"):
                store.read_url(name, 60)
            return
        assert fetch(store.read_url(name, 60)) == b"0123456789"
        with pytest.raises(MissingCopy):
            store.read_url("raw/missing", 60)
        for valid_s in (0, -1, 8 * 86_400):
            with pytest.raises(NoReadUrl):
                store.read_url(name, valid_s)

    @pytest.mark.parametrize("name", UNSAFE)
    def test_an_unsafe_name_has_no_address(self, store: Store, name: str) -> None:
        with pytest.raises(UnsafeName):
            store.read_url(name, 60)
