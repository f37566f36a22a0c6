"""The annex's table of classes, ``include/lfa/classes.yaml``, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbb.documents import build, read_document
from dbb.errors import PolicyUnreadable
from dbb.model.lfa_classes import ACTIONS, INGEST, LfaClass, LfaDataset

_GROUPS = ({"time"}, {"day", "seq"})


def load_classes(path: Path) -> tuple[tuple[LfaClass, ...], Mapping[str, LfaDataset]]:
    """Read the table of classes, and the Butler datasets that some of them are.

    Raises
    ------
    PolicyUnreadable
        If it is not what it should be.
    """
    document = read_document(path)
    if not set(document) <= {"classes", "datasets"}:
        raise PolicyUnreadable.for_file(path.name, "it has more than `classes` and `datasets`")
    datasets = {}
    for row in _rows(path, document, "datasets", []):
        one = build(LfaDataset, row, f"{path.name}: {row}")
        _check_leaf(path, one)
        datasets[one.name] = one
    rows = _rows(path, document, "classes", None)
    classes = tuple(build(LfaClass, row, f"{path.name}: {row}") for row in rows)
    for each in classes:
        if each.action not in ACTIONS:
            raise PolicyUnreadable.for_file(path.name, f"{each.action!r} is no action")
        if (each.action == INGEST) != bool(each.dataset):
            raise PolicyUnreadable.for_file(path.name, f"{each.csc}: `ingest` needs a dataset")
        if each.dataset and each.dataset not in datasets:
            raise PolicyUnreadable.for_file(path.name, f"there is no dataset {each.dataset!r}")
    return classes, datasets


def _rows(path: Path, document: dict[str, Any], name: str, default: list[Any] | None) -> list[Any]:
    rows = document.get(name, default)
    if not isinstance(rows, list):
        raise PolicyUnreadable.for_file(path.name, f"it has no list of `{name}`")
    return rows


def _check_leaf(path: Path, dataset: LfaDataset) -> None:
    where = f"{path.name}: {dataset.name}"
    try:
        groups = set(re.compile(dataset.leaf).groupindex)
    except re.error as error:
        raise PolicyUnreadable.for_file(where, f"leaf is no pattern: {error}") from None
    if groups - {"detector", "index"} not in _GROUPS:
        raise PolicyUnreadable.for_file(where, "leaf needs the group time, or day and seq")
    if not 0 < len(dataset.detectors) <= 10:
        raise PolicyUnreadable.for_file(where, "detectors are one to ten")
