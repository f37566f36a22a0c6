"""Copying objects of the annex to the archive, and looking again at those that may have changed.

The source is read once: all digests are computed as the bytes pass by. The copy is then read back from
the disk.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Sequence

from dbb.digests import DigestWriter, digest_stream
from dbb.errors import (
    BrokenContract,
    ConflictingDuplicate,
    Damaged,
    DbbError,
    DigestMismatch,
    LfaObjectMissing,
    MissingCopy,
)
from dbb.flows.backbone import Backbone
from dbb.flows.lfa import Annex
from dbb.flows.lfa_refusing import close_refusals, is_released, refusal_id, refuse_object
from dbb.flows.refusing import QUARANTINE_FOLDER
from dbb.model.digest import Digest
from dbb.model.kind import Kind
from dbb.model.lfa import LfaObject
from dbb.model.lfn import escape_name
from dbb.ports.store import READ_BYTES, Store

log = logging.getLogger(__name__)

MISSING_AFTER = dt.timedelta(hours=6)
"""How long an announced object may be absent before a person is told."""

OBJECTS_AT_ONCE = 2000
"""Objects that one run copies; the rest is the next run's."""

SOONEST, LATEST = dt.timedelta(minutes=1), dt.timedelta(hours=1)
"""Bounds of the time after which an object that did not go on is looked for again: a quarter of
its age. Those that were just looked for wait behind those that were not."""


def stored_as(key: str) -> str:
    """Give the name of an object in every store."""
    return f"{Kind.LFA.scope}/{key}"


def find_objects(annex: Annex) -> list[str]:
    """List the keys of the objects that are to be copied or compared, in the order of their turn."""
    due = annex.objects.due(OBJECTS_AT_ONCE)
    return [each.key for each in (*due, *annex.objects.doubtful(OBJECTS_AT_ONCE))]


def copy_objects(backbone: Backbone, annex: Annex, keys: Sequence[str]) -> dict[str, int]:
    """Copy objects to the archive under their own names, compute what they are, read them back.

    Returns
    -------
    dict
        How many were ``checked``, are still ``absent``, have a bad copy or changed meanwhile and are
        copied ``again``, were ``refused``, and had been copied before and were ``compared``.
    """
    counts = {"checked": 0, "absent": 0, "again": 0, "refused": 0, "compared": 0}
    for each in annex.objects.by_key(keys):
        if each.state in ("announced", "refused"):
            counts[_try(backbone, annex, each)] += 1
        elif each.doubt:
            compare_object(backbone, annex, each)
            counts["compared"] += 1
    log.info("action=lfa-copy %s", counts)
    return counts


def _try(backbone: Backbone, annex: Annex, each: LfaObject) -> str:
    """Copy one object if it is there; say what became of it."""
    stamp = ""
    try:
        escape_name(each.key)
        stamp = _stamp(annex, each)
        is_same = each.state == "refused" and stamp == each.stamp
        is_wanted = is_same and is_released(backbone, each)
        if is_same and not is_wanted:
            annex.objects.wait(each.key, None, _next_look(backbone, each))
            return "refused"
        digest, md5 = copy_file(annex.source, each.key, backbone.archive, stored_as(each.key))
        if _stamp(annex, each) != stamp:
            raise DigestMismatch("The object changed while it was copied.", each.key)
    except MissingCopy as error:
        age = backbone.clock.now() - each.announced_at
        late = LfaObjectMissing.for_object(each.key, age) if age >= MISSING_AFTER else error
        annex.objects.wait(each.key, late, _next_look(backbone, each))
        return "absent"
    except Damaged as error:
        annex.objects.wait(each.key, error, _next_look(backbone, each))
        log.warning("action=lfa-copy-again key=%a code=%s", each.key, error.code)
        return "again"
    except BrokenContract as error:
        return _refuse(backbone, annex, each, error, stamp)
    wrong = _contradiction(each, digest, md5)
    if wrong is not None and not is_wanted:
        return _refuse(backbone, annex, each, wrong, stamp)
    annex.objects.check(each, digest, md5, stamp)
    close_refusals(backbone, each)
    return "checked"


def _stamp(annex: Annex, each: LfaObject) -> str:
    found = annex.source.stat(each.key)
    if found is None:
        raise MissingCopy.for_file(annex.source.url_of(each.key))
    return found.stamp


def _next_look(backbone: Backbone, each: LfaObject) -> dt.datetime:
    now = backbone.clock.now()
    age: dt.timedelta = now - each.announced_at
    return now + min(max(age / 4, SOONEST), LATEST)


def _refuse(backbone: Backbone, annex: Annex, each: LfaObject, error: DbbError, stamp: str) -> str:
    refuse_object(backbone, each, error, what=stamp)
    annex.objects.refuse(each, error, stamp, _next_look(backbone, each))
    return "refused"


def _contradiction(each: LfaObject, found: Digest, md5: str) -> DigestMismatch | None:
    """Say in what an object is not what was declared of it."""
    if each.declared_bytes not in (None, found.size_bytes):
        declared = f"{each.declared_bytes} bytes"
        return DigestMismatch.for_copy(each.key, declared, f"{found.size_bytes} bytes")
    if each.declared_md5 not in ("", md5):
        return DigestMismatch.for_copy(each.key, each.declared_md5, md5)
    return None


def copy_file(source: Store, name: str, target: Store, new_name: str) -> tuple[Digest, str]:
    """Copy a file from store to store in constant memory, and read the copy back from the disk.

    Returns
    -------
    tuple
        Its digest and md5.

    Raises
    ------
    MissingCopy
        If it is not there.
    DigestMismatch
        If the copy is another file.
    """
    told, md5 = DigestWriter(), hashlib.md5(usedforsecurity=False)
    with source.open(name) as reader, target.create(new_name) as writer:
        while piece := reader.read(READ_BYTES):
            told.update(piece)
            md5.update(piece)
            writer.write(piece)
    with target.open(new_name, cold=True) as stream:
        found = digest_stream(stream)
    if not found.same_bytes(told.digest()):
        expected = told.digest().sha256
        raise DigestMismatch.for_copy(target.url_of(new_name), expected, found.sha256)
    return found, md5.hexdigest()


def compare_object(backbone: Backbone, annex: Annex, each: LfaObject) -> None:
    """Look whether an object that was copied is another one at its source now.

    The first copy stays what it is. Another version is kept beside it, in quarantine, and a person
    decides; so is an object that is not what an event, which came after its copy, declares.
    """
    try:
        stamp = _stamp(annex, each)
        digest, md5 = _read(annex.source, each.key)
        if digest.sha256 != each.sha256:
            _keep_other(backbone, annex, each, digest)
        elif (wrong := _contradiction(each, digest, md5)) is not None:
            refuse_object(backbone, each, wrong, what=digest.sha256)
    except MissingCopy:
        log.info("action=lfa-compare key=%a reason=gone-from-the-source", each.key)
        annex.objects.settle(each, each.md5, each.stamp)
    except DigestMismatch as error:  # it changes as we look: the next run looks again
        log.warning("action=lfa-compare key=%a code=%s", each.key, error.code)
    else:
        same = digest.sha256 == each.sha256
        annex.objects.settle(each, md5 if same else each.md5, stamp)


def _read(store: Store, name: str) -> tuple[Digest, str]:
    found, md5 = DigestWriter(), hashlib.md5(usedforsecurity=False)
    with store.open(name) as reader:
        while piece := reader.read(READ_BYTES):
            found.update(piece)
            md5.update(piece)
    return found.digest(), md5.hexdigest()


def _keep_other(backbone: Backbone, annex: Annex, each: LfaObject, digest: Digest) -> None:
    error = ConflictingDuplicate.for_file(each.key, each.sha256, digest.sha256)
    folder = f"{QUARANTINE_FOLDER}/{each.day_obs}/{refusal_id(each, error.code, digest.sha256)}"
    leaf = escape_name(each.key).leaf[-100:]
    kept_as = f"{folder}/{leaf.lstrip('.-+') or 'object'}"
    refuse_object(backbone, each, error, what=digest.sha256, kept_as=kept_as)
    copied, _ = copy_file(annex.source, each.key, backbone.archive, kept_as)
    if copied.sha256 != digest.sha256:
        raise DigestMismatch.for_copy(each.key, digest.sha256, copied.sha256)
