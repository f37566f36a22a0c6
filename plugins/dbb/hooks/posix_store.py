"""Keep files in a folder: whole or not at all, durable, and never outside of that folder.

Every path is walked one folder at a time from a descriptor of the root, without following links
(``openat`` with ``O_NOFOLLOW``). A link that somebody slips in between a check and its use is
therefore refused by the kernel and not by a comparison of strings.
"""

from __future__ import annotations

import datetime as dt
import errno
import io
import os
import re
import secrets
import stat as modes
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

from dbb.errors import MissingCopy, NoReadUrl, StoreUnavailable, UnsafeName
from dbb.hooks.store_names import folder_name, found_name, is_hidden, target_name
from dbb.ports.store import StoredFile, Writer

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
"""What the kernel says where a folder is missing, is a file or is a link, or a name is too long."""

_NO_FOLDER = {errno.ENOTDIR, errno.EISDIR, errno.ELOOP}

_PART = re.compile(r"\..+\.[0-9a-f]{16}\.part")
_FOLDER_ATTEMPTS = 5


@contextmanager
def _errors(url: str, *, writing: bool = False) -> Iterator[None]:
    """Say in the words of the port what the kernel says."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOENT and not writing:
            raise MissingCopy.for_file(url) from error
        if error.errno in _NO_FOLDER and writing:
            raise UnsafeName.for_name(url, "a folder, file or link is in its way") from error
        raise StoreUnavailable.for_store(url, error.strerror) from error


class PosixStore:
    """Keep files below a root folder, which must be there: a disk not mounted is not an empty one.

    Parameters
    ----------
    root
        The folder, absolute.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if not self.root.is_absolute():
            raise UnsafeName.for_name(str(root), "the root of a store is an absolute path")

    @property
    def url(self) -> str:
        """Give the root's URL, without a slash at the end."""
        return self.root.as_uri()

    def url_of(self, name: str) -> str:
        """Give the URL of a file."""
        return (self.root / found_name(name)).as_uri()

    def list_files(self, prefix: str) -> Iterator[StoredFile]:
        """List the files below a folder, in the order of their names; a missing one has none."""
        folder = folder_name(prefix)
        with _errors(f"{self.url}/{folder}"), self._folders(folder.split("/")[:-1]) as chain:
            if chain:
                yield from _walk(chain[-1], folder)

    def stat(self, name: str) -> StoredFile | None:
        """Describe one file, or None where there is none."""
        *folders, leaf = found_name(name).split("/")
        with _errors(self.url_of(name)), self._folders(folders) as chain:
            status = _status(leaf, chain[-1]) if chain else None
        if status is None or not modes.S_ISREG(status.st_mode):
            return None
        return _stored_file(name, status)

    @contextmanager
    def open(self, name: str, *, cold: bool = False) -> Iterator[BinaryIO]:
        """Open a regular file for reading; ``cold`` reads the disk and not the page cache.

        A copy that was just written is still in memory: reading it back would only show that memory
        is well. So a cold reading first has the kernel write out what it holds of the file (pages
        not yet written cannot be dropped), and then drop it.
        """
        *folders, leaf = found_name(name).split("/")
        with _errors(self.url_of(name)), self._folders(folders) as chain:
            if not chain:
                raise MissingCopy.for_file(self.url_of(name))
            descriptor = _open_regular(leaf, chain[-1])
        with io.BufferedReader(_ReadFile(descriptor, self.url_of(name))) as file:
            if cold:
                with _errors(self.url_of(name)):
                    os.fsync(descriptor)
                    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            yield file

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        """Write a file whole or not at all, replacing one of the same name.

        The bytes go to a hidden file in the target's folder and are on the disk before that file is
        renamed. A failing ``fsync`` ends the attempt: the kernel reports such an error once and
        then forgets it, so that asking again would be answered with a lie.
        """
        *folders, leaf = target_name(name).split("/")
        url = self.url_of(name)
        with ExitStack() as stack:
            with _errors(url, writing=True):
                chain, part, descriptor = self._begin_part(folders, leaf, stack)
            try:
                with _PartFile(descriptor, url) as file:
                    yield file
                    file.settle()
                with _errors(url, writing=True):
                    os.rename(part, leaf, src_dir_fd=chain[-1], dst_dir_fd=chain[-1])
            except BaseException:
                with suppress(OSError):
                    os.unlink(part, dir_fd=chain[-1])
                raise
            with _errors(url, writing=True):
                _sync_folders(chain)

    def move(self, name: str, new_name: str) -> None:
        """Rename a file within the store; no-op when only ``new_name`` is there."""
        *old_folders, old_leaf = found_name(name).split("/")
        *new_folders, new_leaf = target_name(new_name).split("/")
        with _errors(self.url_of(name)), ExitStack() as stack:
            old_chain = stack.enter_context(self._folders(old_folders))
            if not old_chain or not _is_regular(old_leaf, old_chain[-1]):
                new_chain = stack.enter_context(self._folders(new_folders))
                if not new_chain or not _is_regular(new_leaf, new_chain[-1]):
                    raise MissingCopy.for_file(self.url_of(name))
                _sync_folders(new_chain)  # the first attempt may have died before it came to this
                return
            with _errors(self.url_of(new_name), writing=True):
                new_chain = stack.enter_context(self._folders(new_folders, make=True))
            os.rename(old_leaf, new_leaf, src_dir_fd=old_chain[-1], dst_dir_fd=new_chain[-1])
            _sync_folders(new_chain)  # first where the name appears, then where it went
            os.fsync(old_chain[-1])

    def delete(self, names: Iterable[str]) -> None:
        """Delete files, and folders that become empty; what is gone already is no error."""
        by_folder: dict[tuple[str, ...], list[str]] = {}
        for name in names:
            *folders, leaf = found_name(name).split("/")
            by_folder.setdefault(tuple(folders), []).append(leaf)
        for parts in sorted(by_folder, key=len, reverse=True):
            with _errors(f"{self.url}/{'/'.join(parts)}"), self._folders(parts) as chain:
                if chain:
                    _unlink(by_folder[parts], chain[-1])
                    _remove_empty(parts, chain)

    def sweep_parts(self, older_than: dt.datetime) -> list[str]:
        """Delete what killed writers of this class left behind; give the names.

        Parameters
        ----------
        older_than
            Only files that were last written to before this time (aware).
        """
        swept = []
        with _errors(self.url), self._folders(()) as chain:
            for folder, _, leaves, descriptor in os.fwalk(dir_fd=chain[0]):
                for leaf in filter(_PART.fullmatch, leaves):
                    status = _status(leaf, descriptor)
                    if status and status.st_mtime < older_than.timestamp():
                        _unlink([leaf], descriptor)
                        swept.append(os.path.normpath(f"{folder}/{leaf}"))
        return sorted(swept)

    def read_url(self, name: str, valid_s: int) -> str:
        """Refuse: a folder has no address for others."""
        del valid_s
        raise NoReadUrl.for_store(self.url_of(name), "it is a folder")

    @contextmanager
    def _folders(self, parts: Sequence[str], *, make: bool = False) -> Iterator[list[int]]:
        """Open the root and the folders below it, one after the other; give all descriptors.

        Where a folder is missing or is none, the list is empty, or (``make``) it is made.
        """
        chain: list[int] = []
        try:
            try:
                chain.append(os.open(self.root, _FOLDER & ~os.O_NOFOLLOW))
            except OSError as error:
                raise StoreUnavailable.for_store(self.url, error.strerror) from error
            try:
                for part in parts:
                    chain.append(_enter(part, chain[-1], make=make))
            except OSError as error:
                if make or error.errno not in _ABSENT:
                    raise
                yield []
            else:
                yield chain
        finally:
            for descriptor in chain:
                os.close(descriptor)

    def _begin_part(
        self, folders: Sequence[str], leaf: str, stack: ExitStack
    ) -> tuple[list[int], str, int]:
        """Make the folders and an empty hidden file in the last of them."""
        part = f".{leaf[:200]}.{secrets.token_hex(8)}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        for attempt in range(_FOLDER_ATTEMPTS):
            try:
                chain = stack.enter_context(self._folders(folders, make=True))
                return chain, part, os.open(part, flags, 0o644, dir_fd=chain[-1])
            except FileNotFoundError:  # somebody's delete() removed the empty folder meanwhile
                if attempt == _FOLDER_ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")


class _PartFile:
    """Take bytes into a file that is not yet visible."""

    def __init__(self, descriptor: int, url: str) -> None:
        self._file = io.FileIO(descriptor, "wb")
        self._url = url

    def write(self, data: bytes, /) -> int:
        """Append all of the bytes; return how many."""
        rest = memoryview(data).cast("B")
        with _errors(self._url, writing=True):
            while rest:
                rest = rest[self._file.write(rest) :]
        return memoryview(data).nbytes

    def settle(self) -> None:
        """Have the bytes on the disk."""
        with _errors(self._url, writing=True):
            os.fsync(self._file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _errors(self._url, writing=True):  # some file systems report a full disk only here
            self._file.close()


class _ReadFile(io.FileIO):
    """Read a file, saying in the words of the port what goes wrong."""

    def __init__(self, descriptor: int, url: str) -> None:
        super().__init__(descriptor, "rb")
        self._url = url

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer; return how many bytes."""
        with _errors(self._url):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        """Read what is left."""
        with _errors(self._url):
            return super().readall()


def _enter(part: str, parent: int, *, make: bool) -> int:
    """Open one folder, making it where wanted."""
    if make:
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=parent)
    return os.open(part, _FOLDER, dir_fd=parent)


def _open_regular(leaf: str, parent: int) -> int:
    """Open a regular file; whatever else has its name counts as no file."""
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(leaf, flags, dir_fd=parent)
    except OSError as error:
        if error.errno in _ABSENT | {errno.ENXIO}:
            raise FileNotFoundError(errno.ENOENT, "No such file", leaf) from error
        raise
    if not modes.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "No regular file", leaf)
    return descriptor


def _status(leaf: str, parent: int) -> os.stat_result | None:
    try:
        return os.stat(leaf, dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def _is_regular(leaf: str, parent: int) -> bool:
    status = _status(leaf, parent)
    return status is not None and modes.S_ISREG(status.st_mode)


def _stored_file(name: str, status: os.stat_result) -> StoredFile:
    return StoredFile(name, status.st_size, dt.datetime.fromtimestamp(status.st_mtime, dt.UTC))


def _walk(folder: int, prefix: str) -> Iterator[StoredFile]:
    """List regular files depth first, so that whole names come sorted.

    A folder sorts as its name with the slash: ``a.b`` comes before ``a/b``.
    """
    with os.scandir(folder) as entries:
        found = []
        for entry in entries:
            if is_hidden(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                found.append((entry.name + "/", entry))
            elif entry.is_file(follow_symlinks=False):
                found.append((entry.name, entry))
        found.sort(key=lambda pair: pair[0])
        # The entries stay usable after the scan because the folder's descriptor stays open.
    for key, entry in found:
        if not key.endswith("/"):
            with suppress(FileNotFoundError):
                yield _stored_file(prefix + key, entry.stat(follow_symlinks=False))
            continue
        try:
            inner = os.open(entry.name, _FOLDER, dir_fd=folder)
        except OSError as error:
            if error.errno in _ABSENT:  # gone or exchanged since the scan
                continue
            raise
        try:
            yield from _walk(inner, prefix + key)
        finally:
            os.close(inner)


def _unlink(leaves: Iterable[str], folder: int) -> None:
    for leaf in leaves:
        try:
            os.unlink(leaf, dir_fd=folder)
        except OSError as error:
            # EISDIR: a folder of that name is no file, so that there is nothing to delete.
            if error.errno not in _ABSENT | {errno.EISDIR}:
                raise


def _remove_empty(parts: Sequence[str], chain: Sequence[int]) -> None:
    """Remove empty folders upwards, never the root, and make the outcome durable."""
    depth = len(parts)
    while depth:
        try:
            os.rmdir(parts[depth - 1], dir_fd=chain[depth - 1])
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:  # others write there
                break
            if error.errno not in _ABSENT:
                raise
        depth -= 1
    os.fsync(chain[depth])


def _sync_folders(chain: Sequence[int]) -> None:
    """Make names durable, from the file's folder up to the root.

    All of them, always: a folder that was there already may have been made a moment ago by somebody
    who was killed before this. Where nothing changed it costs next to nothing.
    """
    for descriptor in reversed(chain):
        os.fsync(descriptor)
