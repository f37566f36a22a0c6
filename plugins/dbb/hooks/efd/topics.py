"""Reading ``include/efd/topics.yaml``: which topics are archived."""

from __future__ import annotations

import re
from pathlib import Path

from dbb.documents import build, read_document
from dbb.errors import PolicyUnreadable
from dbb.model.efd import Topic

_NAME = re.compile(r"lsst\.sal\.[A-Za-z0-9]+\.[A-Za-z0-9_]+", re.ASCII)
_UNIT_OF = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?", re.ASCII)


def load_topics(path: Path, instruments: frozenset[str]) -> dict[str, Topic]:
    """Read the topics, by name.

    Parameters
    ----------
    path
        The file.
    instruments
        The instruments that there are.

    Raises
    ------
    PolicyUnreadable
        If a topic is not of the right shape, comes twice, or is of an unknown instrument.
    """
    document = read_document(path)
    rows = document.get("topics")
    if set(document) != {"topics"} or not isinstance(rows, list) or not rows:
        raise PolicyUnreadable.for_file(path.name, "it is no list of `topics`")
    topics: dict[str, Topic] = {}
    for number, row in enumerate(rows, 1):
        name = row.get("name", number) if isinstance(row, dict) else number
        topic = build(Topic, row, f"{path.name}: {name}")
        _check(topic, f"{path.name}: {name}", instruments)
        if topic.name in topics:
            raise PolicyUnreadable.for_file(path.name, f"{topic.name} comes twice")
        topics[topic.name] = topic
    return topics


def _check(topic: Topic, where: str, instruments: frozenset[str]) -> None:
    if not _NAME.fullmatch(topic.name):
        raise PolicyUnreadable.for_file(where, "a topic is called lsst.sal.CSC.NAME")
    if unknown := sorted(set(topic.instruments) - instruments):
        raise PolicyUnreadable.for_file(where, f"no instrument is called {', '.join(unknown)}")
    if not topic.instruments or len(set(topic.instruments)) != len(topic.instruments):
        raise PolicyUnreadable.for_file(where, "its instruments are none, or one comes twice")
    for name, unit in topic.units.items():
        if not _UNIT_OF.fullmatch(name) or not unit:
            raise PolicyUnreadable.for_file(where, f"units: {name!r} is no field, or has no unit")
