"""The form of an export: a BagIt 1.0 bag with RO-Crate 1.1 metadata, and the record that its maker keeps."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dbb import verify_bag
from dbb.digests import digest_stream
from dbb.errors import DigestMismatch, ExportRefused
from dbb.flows.export_ports import Signer, Work
from dbb.model import strict_json
from dbb.model.export import SCHEMA, ExportOrder
from dbb.ports.store import READ_BYTES, Store, Writer
from dbb.verify_bag import MANIFEST, SIGNATURE, SNAPSHOT, TAG_MANIFEST, encode_path

CRATE = "ro-crate-metadata.json"
VERIFIER = "verify_bag.py"
NOT_AVAILABLE = "not-available.jsonl"
INFO = "export.json"


def write_tags(bag: Store, work: Work, order: ExportOrder, signer: Signer | None) -> str:
    """Write all that a bag says of itself; give the digest of its tag manifest."""
    totals = work.totals()
    info = _describe(work, order, totals)
    imports = [file.name for file in bag.list_files("data/butler/")]
    with bag.create(SNAPSHOT) as writer:
        for pinned in work.pinned():
            writer.write(pinned.to_line())
    left_out = work.unavailable()
    if left_out:
        with bag.create(NOT_AVAILABLE) as writer:
            for each in left_out:
                writer.write(strict_json.canonical(each.to_json()) + b"\n")
    with bag.create(MANIFEST) as writer:
        oxum = _write_manifest(writer, bag, work, imports)
    tags = {
        "bagit.txt": verify_bag.BAGIT,
        "bag-info.txt": _bag_info(order, info, oxum),
        INFO: _pretty(info),
        CRATE: _pretty(describe_crate(order, info, imports)),
        VERIFIER: Path(verify_bag.__file__).read_bytes(),
    }
    for name, data in tags.items():
        _put(bag, name, data)
    names = sorted([*tags, SNAPSHOT, MANIFEST, *([NOT_AVAILABLE] if left_out else [])])
    listed = "".join(f"{_sha256(bag, name)}  {encode_path(name)}\n" for name in names).encode()
    if signer is not None:
        _put(bag, SIGNATURE, signer.sign(listed))
    _put(bag, TAG_MANIFEST, listed)
    return hashlib.sha256(listed).hexdigest()


def _describe(work: Work, order: ExportOrder, totals: tuple[int, int, int]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "order": order.to_json(),
        "pinned_at": work.read("pinned_at"),
        "datasets": totals[0],
        "files": totals[1],
        "bytes": totals[2],
        "universe": work.read("universe"),
        "left_out": len(work.unavailable()),
        "unserved": work.read("unserved"),
    }


def read_order(bag: Store) -> ExportOrder:
    """Read which order a bag fulfils.

    Raises
    ------
    ExportRefused
        If it is no export at all.
    """
    if bag.stat(INFO) is None:
        raise ExportRefused.for_other(bag.url)
    with bag.open(INFO) as stream:
        told = strict_json.parse(stream.read(), INFO)
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise ExportRefused.for_other(bag.url)
    return ExportOrder.parse(told["order"])


def manifest_lines(rows: Iterator[tuple[str, str]]) -> Iterator[bytes]:
    """Write the lines of a payload manifest: path and sha256, in the order of paths, each once."""
    last = ""
    for path, sha256 in rows:
        if path != last:
            yield f"{sha256}  {encode_path(path)}\n".encode()
        last = path


def _write_manifest(writer: Writer, bag: Store, work: Work, imports: list[str]) -> str:
    """Write the payload manifest; give the Payload-Oxum."""
    described = [(name, _sha256(bag, name)) for name in imports]
    for line in manifest_lines(iter(described)):  # data/butler sorts before data/files
        writer.write(line)
    for line in manifest_lines((each.path, each.sha256) for each in work.pinned()):
        writer.write(line)
    sizes = [found.size_bytes for name in imports if (found := bag.stat(name)) is not None]
    _, files, size = work.totals()
    return f"{size + sum(sizes)}.{files + len(imports)}"


def _bag_info(order: ExportOrder, info: dict[str, Any], oxum: str) -> bytes:
    fields = {
        "Bag-Software-Agent": "LSST Data Backbone, dbb export",
        "Bagging-Date": str(info["pinned_at"])[:10],
        "Contact-Name": order.owner,
        "External-Description": order.title or order.name,
        "External-Identifier": order.name,
        "Payload-Oxum": oxum,
        "Source-Organization": order.endpoint,
    }
    return "".join(f"{key}: {' '.join(value.split())}\n" for key, value in fields.items()).encode()


def describe_crate(order: ExportOrder, info: dict[str, Any], imports: list[str]) -> dict[str, Any]:
    """Describe a bag as an RO-Crate 1.1: what, who, when, under which terms, and by which query."""
    made, licence = "#made", order.licence or "#no-licence-stated"
    query = {
        key: info["order"][key]
        for key in (
            "collections",
            "dataset_types",
            "where",
            "bind",
            "ids",
            "data_ids",
            "find_first",
        )
    }
    parts = [
        SNAPSHOT,
        INFO,
        "data/files/",
        *imports,
        *([NOT_AVAILABLE] if info["left_out"] else []),
    ]
    is_url = "://" in licence
    graph: list[dict[str, Any]] = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "identifier": order.name,
            "name": order.title or order.name,
            "description": f"{info['datasets']} datasets of the LSST, with what Butler needs to open them.",
            "datePublished": info["pinned_at"],
            "license": {"@id": licence if is_url else f"#{licence.lstrip('#')}"},
            "creator": {"@id": "#owner"},
            "expires": order.ends_on or None,
            "hasPart": [{"@id": part} for part in parts],
            "mentions": {"@id": made},
        },
        {
            "@id": licence if is_url else f"#{licence.lstrip('#')}",
            "@type": "CreativeWork",
            "name": licence,
        },
        {"@id": "#owner", "@type": "Person", "name": order.owner},
        {"@id": "#dbb", "@type": "SoftwareApplication", "name": "LSST Data Backbone"},
        {
            "@id": made,
            "@type": "CreateAction",
            "name": f"Datasets selected at {order.endpoint} and pinned",
            "endTime": info["pinned_at"],
            "agent": {"@id": "#owner"},
            "instrument": {"@id": "#dbb"},
            "object": {"@id": "#query"},
            "result": {"@id": "./"},
        },
        {
            "@id": "#query",
            "@type": "PropertyValue",
            "name": f"Butler query at {order.endpoint}",
            "value": json.dumps(query, sort_keys=True),
        },
        *(
            {
                "@id": part,
                "@type": "Dataset" if part.endswith("/") else "File",
                "name": _title(part),
            }
            for part in parts
        ),
    ]
    graph = [{key: node[key] for key in node if node[key] is not None} for node in graph]
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}


def _title(part: str) -> str:
    names = {
        SNAPSHOT: "Every dataset with its UUID and sha256",
        INFO: "The order and what was pinned",
        NOT_AVAILABLE: "What was wanted and was not available",
        "data/files/": "The datasets' files",
    }
    return names.get(part, "Import file for Butler")


def _pretty(document: Any) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def _put(bag: Store, name: str, data: bytes) -> None:
    with bag.create(name) as writer:
        writer.write(data)


def _sha256(bag: Store, name: str) -> str:
    with bag.open(name) as stream:
        return digest_stream(stream).sha256


# -- one file instead of a folder ------------------------------------------------------------------


def write_tar(bag: Store, top: str, target: Any, *, only_tags: bool = False) -> None:
    """Write a bag, or only what it says of itself, as a tar that is the same each time.

    Parameters
    ----------
    bag
        The bag.
    top
        Name of the one folder in the tar.
    target
        A binary stream; it need not be seekable.
    only_tags
        Whether the datasets stay out.
    """
    with tarfile.open(
        fileobj=target, mode="w|", format=tarfile.PAX_FORMAT, bufsize=READ_BYTES
    ) as out:
        for file in bag.list_files(""):
            if only_tags and file.name.startswith("data/files/"):
                continue
            member = tarfile.TarInfo(f"{top}/{file.name}")
            member.size, member.mode = file.size_bytes, 0o644
            with bag.open(file.name) as stream:
                out.addfile(member, stream)


class _Summed:
    """Sum up what is written."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Write a piece."""
        self.digest.update(data)
        self._writer.write(data)
        return len(data)


def send_tar(bag: Store, top: str, store: Store, name: str) -> None:
    """Write a bag as one tar into a store, whole or not at all, and read it back.

    Raises
    ------
    DigestMismatch
        If it reads as other bytes than were sent; it is deleted then.
    """
    with store.create(name) as writer:
        target = _Summed(writer)
        write_tar(bag, top, target)
    with store.open(name, cold=True) as stream:
        found = digest_stream(stream).sha256
    if found != target.digest.hexdigest():
        store.delete([name])
        raise DigestMismatch.for_copy(store.url_of(name), target.digest.hexdigest(), found)


def write_record(bag: Store, place: Path) -> None:
    """Keep what a bag says of itself beside it: by this it is repaired, whatever happens to it."""
    part = place.with_name(place.name + ".part")
    with part.open("wb") as stream:
        write_tar(bag, "record", stream, only_tags=True)
    part.rename(place)


def read_record(place: Path) -> dict[str, bytes]:
    """Read a record: each file's bytes by its name in the bag."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(place.read_bytes())) as archive:
        for member in archive:
            body = archive.extractfile(member)
            if body is not None:
                found[member.name.removeprefix("record/")] = body.read()
    return found
