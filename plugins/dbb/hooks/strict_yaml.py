"""Read YAML strictly: one document, no duplicate keys, no aliases, plain values only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dbb.errors import BadDocument

MAX_BYTES = 4 * 1024 * 1024


class _StrictLoader(yaml.SafeLoader):
    """Refuse what YAML allows and nobody means.

    Aliases, because a short document can stand for one that fills the memory; dates and other
    guesses at a type stay, as ``SafeLoader`` makes them.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.constructor.ConstructorError(None, None, "it has an alias", self.get_mark())
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - yaml's signature
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge" or not isinstance(
                key_node, yaml.ScalarNode
            ):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is no plain word", key_node.start_mark
                )
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} comes twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def parse_yaml(data: bytes, name: str, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read one YAML document.

    Raises
    ------
    BadDocument
        If it is too large, no UTF-8, no YAML, more than one document, or has duplicate keys or
        aliases.
    """
    if len(data) > max_bytes:
        raise BadDocument.for_document(name, f"it has more than {max_bytes} bytes")
    try:
        # A SafeLoader with more refusals, not fewer.
        return yaml.load(data.decode("utf-8"), Loader=_StrictLoader)  # noqa: S506
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadDocument.for_document(name, " ".join(str(error).split())[:300]) from None


def load_yaml(path: Path) -> Any:
    """Read the one YAML document of a file.

    Raises
    ------
    BadDocument
        As ``parse_yaml``, or if the file cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadDocument.for_document(path.name, error.strerror or error) from None
    return parse_yaml(data, path.name)
