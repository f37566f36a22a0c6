#!/usr/bin/env python3
"""Verify an export of the Data Backbone, offline: this one file and Python 3.8 or newer are enough.

::

    python3 verify_bag.py BAG [--signers FILE | --without-signature] [--json]

BAG is a folder, a tar file, or ``-`` for a tar on stdin. Every byte is read again. Each manifest is checked
both ways: what is listed is there and is the same, what is there is listed. No finding hides another one.

Exit codes: 0 well, 1 findings, 2 usage. A bag whose signature was not checked is never called valid.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

SCHEMA = "dbb-bag-report/1"
NAMESPACE = "dbb-export"
"""What the signatures are for: one made for another purpose does not count."""

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"
SIGNATURE = TAG_MANIFEST + ".sig"
SNAPSHOT = "snapshot.jsonl"
REQUIRED = (
    "bagit.txt",
    "bag-info.txt",
    MANIFEST,
    SNAPSHOT,
    "export.json",
    "ro-crate-metadata.json",
)
READ_WHOLE = {"bagit.txt", "bag-info.txt", MANIFEST, TAG_MANIFEST, SIGNATURE, SNAPSHOT}
IMPORT_FILES = "data/butler/"
PIECE_BYTES = 1024 * 1024

NEXT = {
    "not-a-bag": "Check the path; else have the export made or sent again.",
    "bad-line": "Have the tag files restored: `dbb export repair` with the record.",
    "duplicate-entry": "Do not use the bag: have it made again.",
    "unsafe-path": "Do not unpack or import the bag: have it made again.",
    "name-collision": "Unpack it where case matters, or have it made again.",
    "missing-file": "`dbb export repair` fetches it.",
    "changed-file": "`dbb export repair` fetches it.",
    "extra-file": "Find out where it is from; `dbb export repair` puts it aside.",
    "not-a-file": "Find out where it is from; `dbb export repair` puts it aside.",
    "unreadable": "Look at the disk; copy the bag again.",
    "missing-tag-file": "`dbb export repair` with the record restores it.",
    "changed-tag-file": "`dbb export repair` with the record restores it.",
    "extra-tag-file": "Find out where it is from; `dbb export repair` puts it aside.",
    "unlisted-tag-file": "Do not use the bag: have it made again.",
    "wrong-oxum": "See the other findings; with none, have the bag made again.",
    "snapshot-differs": "Do not use the bag: have it made again.",
    "bad-signature": "Do not trust the bag: ask its maker.",
    "missing-signature": "Ask its maker for the signature.",
    "signature-unchecked": "Give the maker's key with --signers, on a machine that has ssh-keygen.",
}
"""Every code of a finding, and what to do."""


class Finding(NamedTuple):
    """Say what is wrong with which file."""

    code: str
    path: str
    detail: str = ""

    def to_json(self) -> dict[str, str]:
        """Give the finding with its next action."""
        return {**self._asdict(), "next_action": NEXT[self.code]}


class Seen(NamedTuple):
    """Hold what one file really is."""

    size_bytes: int
    sha256: str


class Contents:
    """Hold what was found in a bag by reading it to the last byte."""

    def __init__(self) -> None:
        self.files: dict[str, Seen] = {}
        self.texts: dict[str, bytes] = {}
        self.findings: list[Finding] = []

    def take(self, path: str, stream: BinaryIO) -> None:
        """Read one file."""
        if path in self.files:
            self.findings.append(Finding("duplicate-entry", path, "it is there twice"))
        digest, size, kept = hashlib.sha256(), 0, []
        while True:
            piece = stream.read(PIECE_BYTES)
            if not piece:
                break
            digest.update(piece)
            size += len(piece)
            if path in READ_WHOLE:
                kept.append(piece)
        self.files[path] = Seen(size, digest.hexdigest())
        if path in READ_WHOLE:
            self.texts[path] = b"".join(kept)

    def find(self, code: str, path: str, detail: str = "") -> None:
        """Note a finding."""
        self.findings.append(Finding(code, path, detail))


class Report(NamedTuple):
    """Hold the outcome: ``valid``, ``intact`` (nobody was asked who signed it), or ``not valid``."""

    bag: str
    verdict: str
    signed_by: str
    files: int
    size_bytes: int
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the report as a document."""
        return {
            "schema": SCHEMA,
            "bag": self.bag,
            "verdict": self.verdict,
            "signed_by": self.signed_by,
            "files": self.files,
            "bytes": self.size_bytes,
            "findings": [finding.to_json() for finding in self.findings],
        }


# -- names as manifests write them ---------------------------------------------------------------------


def encode_path(path: str) -> str:
    """Write a path as RFC 8493 wants it in a manifest: CR, LF and % are percent-encoded."""
    return path.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def decode_path(text: str) -> str:
    """Read a path of a manifest; raise ValueError where a % stands for something else."""
    if re.search(r"%(?!25|0[aAdD])", text):
        raise ValueError("a % that encodes neither CR, LF nor %")
    return re.sub(
        r"%(25|0[aAdD])", lambda found: {"25": "%", "0A": "\n", "0D": "\r"}[found[1].upper()], text
    )


def unsafe(path: str) -> str:
    """Say why a path must not be in a bag; nothing where it may."""
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path) or "\\" in path or "\0" in path:
        return "it could leave the bag"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "it has an empty part, or one of dots"
    return ""


def collisions(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Find paths that are one file where case or the form of accents does not matter."""
    seen: dict[str, str] = {}
    for path in sorted(paths):
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
        if key in seen:
            yield path, seen[key]
        seen.setdefault(key, path)


# -- reading -------------------------------------------------------------------------------------------


def read_folder(root: str) -> Contents:
    """Read every file below a folder from its disk, without following links."""
    contents = Contents()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(os.path.join(root, folder)), key=lambda entry: entry.name)
        except OSError as error:
            contents.find("unreadable", folder, str(error.strerror))
            continue
        for entry in entries:
            path = folder + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path + "/")
            elif not entry.is_file(follow_symlinks=False):
                contents.find("not-a-file", path, "a link, a device or a pipe")
            else:
                _read_file(contents, entry.path, path)
    return contents


def _read_file(contents: Contents, place: str, path: str) -> None:
    try:
        descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                contents.find("not-a-file", path, "a link, a device or a pipe")
                return
            if hasattr(os, "posix_fadvise"):  # the disk shall be read, not what memory kept of it
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            contents.take(path, stream)
    except OSError as error:
        contents.find("unreadable", path, str(error.strerror))


def read_tar(stream: BinaryIO) -> Contents:
    """Read a tar of one bag to its end, without unpacking it."""
    contents = Contents()
    roots = set()
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as archive:
            for member in archive:
                top, _, path = member.name.partition("/")
                roots.add(top)
                if why := unsafe(member.name.rstrip("/")):
                    contents.find("unsafe-path", member.name, why)
                if member.isdir():
                    continue
                body = archive.extractfile(member) if member.isreg() else None
                if body is None:
                    contents.find("not-a-file", path, "a link, a device or a pipe")
                else:
                    contents.take(path or top, body)  # type: ignore[arg-type]
    except (tarfile.TarError, EOFError, OSError) as error:
        contents.find("unreadable", "", f"the tar ends or breaks here: {error}")
    if len(roots) > 1:
        contents.find("not-a-bag", "", f"the tar holds {len(roots)} folders and not one bag")
    return contents


# -- judging -------------------------------------------------------------------------------------------


def parse_manifest(data: bytes, name: str, contents: Contents) -> dict[str, str]:
    """Read a manifest strictly: path to sha256."""
    listed: dict[str, str] = {}
    if data and not data.endswith(b"\n"):
        contents.find("bad-line", name, "the last line is cut off")
    for number, line in enumerate(data.split(b"\n")[: data.count(b"\n")], 1):
        try:
            digest, path = re.fullmatch(r"([0-9a-f]{64})  (.+)", line.decode("utf-8")).groups()  # type: ignore[union-attr]
            path = decode_path(path)
        except (AttributeError, ValueError):
            contents.find("bad-line", name, f"line {number} is no digest with a path")
            continue
        is_payload = path.startswith("data/")
        why = unsafe(path)
        if not why and is_payload != (name == MANIFEST):
            why = "it belongs into the other manifest"
        if not why and path in (TAG_MANIFEST, SIGNATURE):
            why = "a tag manifest lists neither itself nor its signature"
        if why:
            contents.find("unsafe-path", path, why)
        elif path in listed:
            contents.find("duplicate-entry", path, f"twice in {name}")
        else:
            listed[path] = digest
    return listed


def judge(contents: Contents) -> None:
    """Compare what was read with what the bag says of itself; note every difference."""
    if not contents.files:
        contents.find("not-a-bag", "", "there is no file in it")
        return
    if contents.texts.get("bagit.txt", b"") != BAGIT:
        contents.find("not-a-bag", "bagit.txt", "it is missing or says something else")
    for one, other in collisions(contents.files):
        contents.find("name-collision", one, f"as good as {other!a}")
    payload = parse_manifest(contents.texts.get(MANIFEST, b""), MANIFEST, contents)
    tags = parse_manifest(contents.texts.get(TAG_MANIFEST, b""), TAG_MANIFEST, contents)
    _judge_both_ways(contents, payload, is_payload=True)
    _judge_both_ways(contents, tags, is_payload=False)
    for name in REQUIRED:
        if name not in tags:
            contents.find("unlisted-tag-file", name, f"{TAG_MANIFEST} does not vouch for it")
    if TAG_MANIFEST not in contents.files:
        contents.find("missing-tag-file", TAG_MANIFEST)
    _judge_oxum(contents, payload)
    _judge_snapshot(contents, payload)


def _judge_both_ways(contents: Contents, listed: dict[str, str], *, is_payload: bool) -> None:
    word = "file" if is_payload else "tag-file"
    there = {
        path
        for path in contents.files
        if path.startswith("data/") == is_payload and path not in (TAG_MANIFEST, SIGNATURE)
    }
    for path in sorted(set(listed) - there):
        contents.find(f"missing-{word}", path)
    for path in sorted(there - set(listed)):
        contents.find(f"extra-{word}", path, "no manifest lists it")
    for path in sorted(there & set(listed)):
        found = contents.files[path]
        if found.sha256 != listed[path]:
            contents.find(
                f"changed-{word}", path, f"{found.size_bytes} bytes that read as {found.sha256}"
            )


def _judge_oxum(contents: Contents, payload: dict[str, str]) -> None:
    text = contents.texts.get("bag-info.txt", b"").decode("utf-8", "replace")
    told = re.findall(r"^Payload-Oxum: (\d+)\.(\d+)$", text, re.MULTILINE)
    there = [seen for path, seen in contents.files.items() if path.startswith("data/")]
    found = (str(sum(seen.size_bytes for seen in there)), str(len(there)))
    if told != [found]:
        contents.find("wrong-oxum", "bag-info.txt", f"told {told}, found {'.'.join(found)}")
    elif len(payload) != len(there):
        contents.find("wrong-oxum", MANIFEST, f"it lists {len(payload)} of {len(there)} files")


def _judge_snapshot(contents: Contents, payload: dict[str, str]) -> None:
    pinned, ids = set(), set()
    for number, line in enumerate(contents.texts.get(SNAPSHOT, b"").splitlines(), 1):
        try:
            row = json.loads(line)
            path, size, digest, name = row["path"], row["bytes"], row["sha256"], row["id"]
        except (ValueError, KeyError, TypeError):
            contents.find("bad-line", SNAPSHOT, f"line {number} pins no dataset")
            continue
        if name in ids:
            contents.find("duplicate-entry", SNAPSHOT, f"dataset {name} twice")
        ids.add(name)
        pinned.add(path)
        if payload.get(path) != digest:
            contents.find("snapshot-differs", path, f"the manifest does not have dataset {name} so")
        elif path in contents.files and contents.files[path].size_bytes != size:
            contents.find("changed-file", path, f"it does not have {size} bytes")
    for path in sorted(set(payload) - pinned):
        if not path.startswith(IMPORT_FILES):
            contents.find("snapshot-differs", path, "no dataset of the snapshot is in it")


def check_signature(contents: Contents, signers: str | None) -> str:
    """Ask ssh-keygen who signed the tag manifest; note a finding unless it can tell."""
    data, signature = contents.texts.get(TAG_MANIFEST, b""), contents.texts.get(SIGNATURE)
    if signature is None:
        contents.find("missing-signature", SIGNATURE)
        return ""
    program = shutil.which("ssh-keygen")
    if not signers or program is None:
        why = "no keys of signers were given" if not signers else "there is no ssh-keygen here"
        contents.find("signature-unchecked", SIGNATURE, why)
        return ""
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "signature")
        with open(place, "wb") as stream:
            stream.write(signature)
        common = ["-s", place, "-f", signers, "-n", NAMESPACE]
        found = subprocess.run(  # noqa: S603 - the program's own full path
            [program, "-Y", "find-principals", *common[:4]],
            input=data, capture_output=True, check=False,
        )  # fmt: skip
        for name in found.stdout.decode("utf-8", "replace").split():
            done = subprocess.run(  # noqa: S603 - the program's own full path
                [program, "-Y", "verify", *common, "-I", name],
                input=data, capture_output=True, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                return name
    contents.find("bad-signature", SIGNATURE, "none of the signers has signed this tag manifest")
    return ""


def verify(bag: str, *, signers: str | None = None, ask_signature: bool = True) -> Report:
    """Verify a bag: a folder, a tar file, or ``-``.

    Parameters
    ----------
    bag
        Where it is.
    signers
        A file of ``ssh-keygen``'s form ``allowed_signers``: whom to believe.
    ask_signature
        Whether it matters who made the bag. Where it does not, the best verdict is ``intact``.
    """
    if bag == "-":
        contents = read_tar(sys.stdin.buffer)
    elif os.path.isdir(bag):
        contents = read_folder(bag)
    else:
        with open(bag, "rb") as stream:
            contents = read_tar(stream)
    judge(contents)
    name = check_signature(contents, signers) if ask_signature else ""
    verdict = "not valid" if contents.findings else "valid" if ask_signature else "intact"
    return Report(
        bag,
        verdict,
        name,
        len(contents.files),
        sum(seen.size_bytes for seen in contents.files.values()),
        tuple(sorted(contents.findings)),
    )


def print_report(report: Report, *, as_json: bool) -> None:
    """Write a report for a program, or for a person."""
    if as_json:
        print(json.dumps(report.to_json(), indent=1))
        return
    for finding in report.findings:
        print(f"{finding.code}\t{finding.path!a}\t{finding.detail}\n\tnext: {NEXT[finding.code]}")
    who = {"valid": f", signed by {report.signed_by}", "intact": "; who made it was not checked"}
    print(
        f"{report.bag}: {report.verdict}{who.get(report.verdict, '')}; {report.files} files, "
        f"{report.size_bytes} bytes read, {len(report.findings)} findings"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the program; give its exit code."""
    parser = argparse.ArgumentParser(description="Verify an export of the Data Backbone, offline.")
    parser.add_argument("bag", help="a folder, a tar file, or - for a tar on stdin")
    parser.add_argument(
        "--signers", help="file of the keys to believe (ssh-keygen's allowed_signers)"
    )
    parser.add_argument("--without-signature", action="store_true", help="do not ask who made it")
    parser.add_argument("--json", action="store_true", help="write a JSON document")
    given = parser.parse_args(arguments)
    for place in (given.bag, given.signers or "-"):
        if place != "-" and not os.path.exists(place):
            parser.error(f"{place!a} is not there")
    report = verify(given.bag, signers=given.signers, ask_signature=not given.without_signature)
    print_report(report, as_json=given.json)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
