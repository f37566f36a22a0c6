"""Small bags made without a world, and every way in which they are spoilt."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path

from dbb.flows.export_bag import write_tags
from dbb.hooks.export_work import ExportWork
from dbb.hooks.posix_store import PosixStore
from dbb.hooks.ssh_signature import SshSigner
from dbb.model.export import ExportOrder, Pinned
from dbb.verify_bag import MANIFEST, SIGNATURE, SNAPSHOT, TAG_MANIFEST, encode_path

Spoil = Callable[[Path, random.Random], None]


def make_key(folder: Path, name: str = "exports") -> tuple[Path, Path]:
    """Make a key, and the file by which others believe it."""
    key, signers = folder / name, folder / f"{name}.signers"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)],  # noqa: S607
        check=True,
    )
    signers.write_text(f"{name}@example.org {key.with_suffix('.pub').read_text()}")
    return key, signers


def make_bag(
    place: Path, key: Path, *, files: int = 8, size_bytes: int = 2000, seed: int = 0
) -> None:
    """Make a signed bag of random files."""
    rng = random.Random(seed)  # noqa: S311 - test data
    place.mkdir(parents=True)
    bag, work = PosixStore(place), ExportWork(place.with_name(f"{place.name}.work"))
    with bag.create("data/butler/000001.yaml") as writer:
        writer.write(b"description: Butler Data Repository Export\n")
    for number in range(files):
        data, path = rng.randbytes(size_bytes), f"data/files/raw/f{number:05d}.fits"
        with bag.create(path) as writer:
            writer.write(data)
        name = str(uuid.UUID(bytes=rng.randbytes(16)))
        digest = hashlib.sha256(data).hexdigest()
        row = Pinned(
            name, "raw", "run", {"detector": number}, path, size_bytes, digest, "u", "0", "s"
        )
        work.pin([row])
    for note, value in (
        ("pinned_at", "2026-11-21T00:00:00+00:00"),
        ("universe", {}),
        ("unserved", []),
    ):
        work.note(note, value)
    order = ExportOrder("bag", "usdf", ("c",), ("raw",), owner="somebody")
    write_tags(bag, work, order, SshSigner(key))
    work.remove()


def payload(bag: Path) -> list[Path]:
    """List the files of datasets."""
    return sorted((bag / "data/files").rglob("*.fits"))


def _pick(bag: Path, rng: random.Random) -> Path:
    return rng.choice(payload(bag))


def _change(path: Path, change: Callable[[bytearray], object]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def _flip(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def one_bit(bag: Path, rng: random.Random) -> None:
    _change(_pick(bag, rng), lambda data: _flip(data, rng))


def truncation(bag: Path, rng: random.Random) -> None:
    path = _pick(bag, rng)
    os.truncate(path, rng.randrange(path.stat().st_size))


def extension(bag: Path, rng: random.Random) -> None:
    path = _pick(bag, rng)
    path.write_bytes(path.read_bytes() + bytes(rng.randrange(1, 600)))


def swapped_files(bag: Path, rng: random.Random) -> None:
    one, other = rng.sample(payload(bag), 2)
    third = one.with_name("third")
    one.rename(third)
    other.rename(one)
    third.rename(other)


def renamed(bag: Path, rng: random.Random) -> None:
    path = _pick(bag, rng)
    path.rename(path.with_name(f"g{path.name}"))


def deleted(bag: Path, rng: random.Random) -> None:
    _pick(bag, rng).unlink()


def added(bag: Path, rng: random.Random) -> None:
    (bag / "data/files" / f"x{rng.randrange(10**6)}").write_bytes(rng.randbytes(10))


def deleted_and_added(bag: Path, rng: random.Random) -> None:
    """Keep the number of files and bytes: the Payload-Oxum stays right."""
    path = _pick(bag, rng)
    path.with_name(f"x{path.name}").write_bytes(rng.randbytes(path.stat().st_size))
    path.unlink()


def linked(bag: Path, rng: random.Random) -> None:
    """Put a link to the right bytes in a file's place."""
    path = _pick(bag, rng)
    target = bag.with_name(f"{bag.name}.target")
    path.replace(target)
    path.symlink_to(target)


def _replace_line(bag: Path, manifest: str, path: str, data: bytes) -> None:
    lines = (bag / manifest).read_text().splitlines(keepends=True)
    new = f"{hashlib.sha256(data).hexdigest()}  {encode_path(path)}\n"
    (bag / manifest).write_text(
        "".join(new if line.endswith(f"  {path}\n") else line for line in lines)
    )


def file_and_manifest(bag: Path, rng: random.Random) -> None:
    path = _pick(bag, rng)
    _change(path, lambda data: _flip(data, rng))
    _replace_line(bag, MANIFEST, path.relative_to(bag).as_posix(), path.read_bytes())


def manifest_line_gone_with_its_file(bag: Path, rng: random.Random) -> None:
    path = _pick(bag, rng)
    name = path.relative_to(bag).as_posix()
    path.unlink()
    lines = (bag / MANIFEST).read_text().splitlines(keepends=True)
    (bag / MANIFEST).write_text("".join(line for line in lines if not line.endswith(f"  {name}\n")))


def forgery(bag: Path, rng: random.Random) -> None:
    """Change a file and all that vouches for it, except the signature."""
    path = _pick(bag, rng)
    name = path.relative_to(bag).as_posix()
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    _change(path, lambda data: _flip(data, rng))
    new = hashlib.sha256(path.read_bytes()).hexdigest()
    _replace_line(bag, MANIFEST, name, path.read_bytes())
    told = bag / SNAPSHOT
    told.write_text(told.read_text().replace(old, new))
    for tag in (MANIFEST, SNAPSHOT):
        _replace_line(bag, TAG_MANIFEST, tag, (bag / tag).read_bytes())


def manifest_edited(bag: Path, rng: random.Random) -> None:
    _change(bag / MANIFEST, lambda data: _flip(data, rng))


def tag_manifest_edited(bag: Path, rng: random.Random) -> None:
    _change(bag / TAG_MANIFEST, lambda data: _flip(data, rng))


def tag_file_edited(bag: Path, rng: random.Random) -> None:
    name = rng.choice(
        ["bag-info.txt", "export.json", "ro-crate-metadata.json", SNAPSHOT, "bagit.txt"]
    )
    _change(bag / name, lambda data: _flip(data, rng))


def signature_of_another(bag: Path, _rng: random.Random) -> None:
    """Put the signature of another bag of the same maker in its place."""
    (bag / SIGNATURE).write_bytes((bag.with_name("other") / SIGNATURE).read_bytes())


def keeping_adler32(bag: Path, rng: random.Random) -> None:
    """Add 1, take 2, add 1, at equal distances: size and Adler-32 stay."""
    path = _pick(bag, rng)
    data = bytearray(path.read_bytes())
    old = zlib.adler32(data)
    starts = [
        at
        for at in range(len(data) - 8)
        if data[at] < 255 and data[at + 4] > 1 and data[at + 8] < 255
    ]
    at = rng.choice(starts)
    data[at] += 1
    data[at + 4] -= 2
    data[at + 8] += 1
    assert zlib.adler32(data) == old
    path.write_bytes(data)


def keeping_crc32(bag: Path, rng: random.Random) -> None:
    """Add the CRC's own polynomial somewhere: size and CRC-32 stay."""
    path = _pick(bag, rng)
    data = bytearray(path.read_bytes())
    old, at = zlib.crc32(data), rng.randrange(len(data) - 5)
    for offset, byte in enumerate((0x1DB710641).to_bytes(5, "little")):
        data[at + offset] ^= byte
    assert zlib.crc32(data) == old
    path.write_bytes(data)


SPOILS: dict[str, Spoil] = {
    spoil.__name__: spoil
    for spoil in (
        one_bit, truncation, extension, swapped_files, renamed, deleted, added, deleted_and_added,
        linked, file_and_manifest, manifest_line_gone_with_its_file, forgery, manifest_edited,
        tag_manifest_edited, tag_file_edited, signature_of_another, keeping_adler32, keeping_crc32,
    )
}  # fmt: skip
"""Every kind of damage, by name."""
