"""The POSIX store: the common promises, then links, page cache, full disks and killed writers."""

from __future__ import annotations

import datetime as dt
import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbb.errors import MissingCopy, StoreUnavailable, UnsafeName
from dbb.hooks.posix_store import PosixStore
from support.conformance_store import StoreConformance, names, read, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def store(root: Path) -> PosixStore:
    return PosixStore(root)


class TestPosixStore(StoreConformance):
    """The promises of every store."""


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_a_root_that_is_not_there_is_unavailable_and_not_empty(tmp_path: Path) -> None:
    store = PosixStore(tmp_path / "not-mounted")
    with pytest.raises(StoreUnavailable):
        names(store)
    with pytest.raises(StoreUnavailable):
        store.stat("a")
    with pytest.raises(StoreUnavailable):
        write(store, "a", b"x")
    assert not (tmp_path / "not-mounted").exists()


def test_an_abandoned_write_leaves_no_hidden_file(store: PosixStore, root: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.create("a") as writer:  # noqa: PT012
        writer.write(b"half")
        assert len(files_below(root)) == 1
        raise ZeroDivisionError
    assert files_below(root) == []


def test_files_being_written_by_others_are_not_listed(store: PosixStore, root: Path) -> None:
    (root / "raw").mkdir()
    for name in (".a.fits.Xy12", "b.fits.part", "c.fits"):
        (root / "raw" / name).write_bytes(b"x")
    (root / ".snapshot").mkdir()
    (root / ".snapshot" / "d").write_bytes(b"x")
    assert names(store) == ["raw/c.fits"]


def test_names_as_they_are_on_disk_are_listed_read_moved_and_deleted(
    store: PosixStore, root: Path
) -> None:
    odd = ["new\nline", "esc\x1b[31m", "e\u0301", "\u00e9", "two words", os.fsdecode(b"\xff\xfe")]
    for name in odd:
        (root / name).write_bytes(b"x")
    assert names(store) == sorted(odd)
    for number, name in enumerate(odd[:3]):
        assert read(store, name) == b"x"
        store.move(name, f"quarantine/{number}")
    store.delete(odd[3:])
    assert names(store) == ["quarantine/0", "quarantine/1", "quarantine/2"]


class TestLinks:
    """Nothing outside of the root is ever read, written, moved or deleted through a link."""

    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        folder = tmp_path / "outside"
        folder.mkdir()
        (folder / "secret").write_bytes(b"secret")
        return folder

    @pytest.fixture(autouse=True)
    def links(self, root: Path, outside: Path) -> None:
        (root / "file").symlink_to(outside / "secret")
        (root / "folder").symlink_to(outside)

    def test_links_are_not_listed(self, store: PosixStore) -> None:
        assert names(store) == []
        assert names(store, "folder/") == []

    @pytest.mark.parametrize("name", ["file", "folder/secret", "folder"])
    def test_links_are_not_followed_for_reading(self, store: PosixStore, name: str) -> None:
        assert store.stat(name) is None
        with pytest.raises(MissingCopy), store.open(name):
            pass

    def test_links_are_not_followed_for_writing(self, store: PosixStore, outside: Path) -> None:
        with pytest.raises(UnsafeName):
            write(store, "folder/new", b"x")
        write(store, "good", b"x")
        with pytest.raises(UnsafeName):
            store.move("good", "folder/new")
        write(store, "file", b"replaces the link, not what it points to")
        assert files_below(outside) == ["secret"]
        assert (outside / "secret").read_bytes() == b"secret"

    def test_links_are_not_followed_for_moving_or_deleting(
        self, store: PosixStore, outside: Path
    ) -> None:
        with pytest.raises(MissingCopy):
            store.move("folder/secret", "stolen")
        with pytest.raises(MissingCopy):
            store.move("file", "stolen")
        store.delete(["folder/secret", "folder"])
        assert (outside / "secret").read_bytes() == b"secret"

    def test_a_folder_exchanged_for_a_link_while_it_is_listed_is_left_out(
        self, store: PosixStore, root: Path, outside: Path
    ) -> None:
        for name in ("a/1", "b/1"):
            write(store, name, b"x")
        listing = store.list_files("")
        assert next(listing).name == "a/1"
        (root / "b").rename(root / "was-b")
        (root / "b").symlink_to(outside)
        assert list(listing) == []


def test_a_pipe_is_no_file_and_nobody_waits_for_it(store: PosixStore, root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert names(store) == []
    assert store.stat("pipe") is None
    with pytest.raises(MissingCopy), store.open("pipe"):
        pass


def test_a_folder_in_the_way_is_said_to_be_one(store: PosixStore) -> None:
    write(store, "a/b", b"x")
    with pytest.raises(UnsafeName):
        write(store, "a", b"x")
    with pytest.raises(UnsafeName):
        write(store, "a/b/c", b"x")
    assert names(store) == ["a/b"]


def in_page_cache(path: Path) -> bool:
    """Ask the kernel for the first bytes without letting it go to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.preadv(descriptor, [bytearray(4096)], 0, os.RWF_NOWAIT) > 0
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return False
        pytest.skip(f"This file system cannot tell what is cached: {error.strerror}")
    finally:
        os.close(descriptor)


def test_a_cold_reading_has_left_the_page_cache_behind(store: PosixStore, root: Path) -> None:
    write(store, "a", os.urandom(1 << 20))
    assert in_page_cache(root / "a")
    with store.open("a"):
        assert in_page_cache(root / "a")
    with store.open("a", cold=True):
        assert not in_page_cache(root / "a")


def test_deleting_removes_empty_folders_but_never_the_root(store: PosixStore, root: Path) -> None:
    write(store, "a/b/c/1", b"x")
    write(store, "a/2", b"x")
    store.delete(["a/b/c/1"])
    assert files_below(root) == ["a", "a/2"]
    store.delete(["a/2"])
    assert root.is_dir()
    assert files_below(root) == []


def test_a_folder_where_somebody_is_writing_stays(store: PosixStore) -> None:
    write(store, "a/1", b"x")
    with store.create("a/2") as writer:
        store.delete(["a/1"])
        writer.write(b"y")
    assert names(store) == ["a/2"]


def test_writers_and_deleters_of_one_folder_do_not_disturb_each_other(store: PosixStore) -> None:
    failures: list[BaseException] = []

    def work(writer: int) -> None:
        try:
            for number in range(60):
                write(store, f"deep/er/{writer}-{number}", b"x")
                store.delete([f"deep/er/{writer}-{number}"])
        except BaseException as error:  # noqa: BLE001 - a thread's error must reach the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert names(store) == []


def test_a_failing_fsync_ends_the_attempt(
    store: PosixStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    write(store, "a", b"old")
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreUnavailable):
        write(store, "a", b"new")
    assert len(calls) == 1
    assert (root / "a").read_bytes() == b"old"
    assert files_below(root) == ["a"]


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_return(
    store: PosixStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.rename

    def noting_fsync(descriptor: int) -> None:
        steps.append(
            "fsync " + ("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        )
        fsync(descriptor)

    def noting_rename(*args: str, **kwargs: int) -> None:
        steps.append("rename")
        rename(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(os, "rename", noting_rename)
    write(store, "a/b/c", b"x")
    assert steps == ["fsync file", "rename", *["fsync folder"] * 3]
    steps.clear()
    store.move("a/b/c", "d/c")
    assert steps == ["rename", *["fsync folder"] * 3]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of one mebibyte, where that is allowed."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = [
        shutil.which("mount") or "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=1m,nr_inodes=6",
        "none",
        str(folder),
    ]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("Only root may mount a small disk.")
    yield folder
    subprocess.run([shutil.which("umount") or "umount", str(folder)], check=True)


def test_a_full_disk_is_unavailable_and_left_as_it_was(small_disk: Path) -> None:
    store = PosixStore(small_disk)
    write(store, "good", b"x")
    with pytest.raises(StoreUnavailable, match="No space left"):
        write(store, "big", b"x" * (2 << 20))
    assert files_below(small_disk) == ["good"]
    write(store, "small", b"x")


def test_a_disk_without_inodes_is_unavailable(small_disk: Path) -> None:
    store = PosixStore(small_disk)
    with pytest.raises(StoreUnavailable, match="No space left"):  # noqa: PT012
        for number in range(10):
            write(store, f"f{number}", b"")


KILLED_WRITER = """
import os, signal, sys
from dbb.hooks.posix_store import PosixStore
with PosixStore(sys.argv[1]).create("raw/a.fits") as writer:
    writer.write(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_leaves_is_never_seen_and_swept_later(
    store: PosixStore, root: Path
) -> None:
    plugins = Path(sys.modules["dbb"].__file__ or "").parents[1]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WRITER, str(root)],
        check=False,
        env={"PYTHONPATH": str(plugins)},
    )
    assert killed.returncode == -signal.SIGKILL
    (root / "raw" / "foreign.part").write_bytes(b"another program's")
    assert names(store) == []
    now = dt.datetime.now(dt.UTC)
    assert store.sweep_parts(now - dt.timedelta(hours=1)) == []
    swept = store.sweep_parts(now + dt.timedelta(hours=1))
    assert len(swept) == 1
    assert swept[0].startswith("raw/.a.fits.")
    assert files_below(root) == ["raw", "raw/foreign.part"]


def test_the_longest_legal_name_can_be_written(store: PosixStore) -> None:
    name = "x" * 250
    write(store, name, b"x")
    assert names(store) == [name]
