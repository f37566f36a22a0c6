"""What an external program is told in files, and what it tells: the order and the result.

``order.json`` (``dbb-calibration-order/1``) names each input with its UUID, sha256, path and member;
``result.json`` (``dbb-calibration-result/1``) names the file of each detector in the folder of
products, the UUIDs of what went into it, and numbers for people.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dbb.errors import BadDocument, PayloadFailed
from dbb.model import strict_json
from dbb.model.payload import PayloadOrder, Product

ORDER_SCHEMA = "dbb-calibration-order/1"
RESULT_SCHEMA = "dbb-calibration-result/1"

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", re.ASCII)


def write_order(
    path: Path, order: PayloadOrder, parameters: Mapping[str, str | int | float]
) -> None:
    """Write an order; its own parameters win over the payload's."""
    document = {
        "schema": ORDER_SCHEMA,
        "kind": str(order.kind),
        "instrument": order.instrument,
        "physical_filter": order.physical_filter,
        "folder": str(path.parent / "products"),
        "parameters": {**parameters, **order.parameters},
        "inputs": [
            {
                "uuid": given.dataset_id,
                "sha256": given.sha256,
                "path": str(given.path),
                "member": given.member,
                "detector": given.detector,
                "exposure": given.exposure_id,
                "kind": given.kind,
            }
            for given in order.inputs
        ],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


def collect_named(
    name: str, order: PayloadOrder, result: Path, folder: Path, log: Path
) -> list[Product]:
    """Read the result file.

    Raises
    ------
    PayloadFailed
        If it is not there or breaks a rule, or there is not one product for each detector.
    """
    try:
        document = strict_json.parse(result.read_bytes(), result.name)
        found = _read_result(document)
    except OSError:
        raise PayloadFailed.for_command(name, "it left no result.json", log) from None
    except (BadDocument, KeyError, TypeError, ValueError) as error:
        raise PayloadFailed.for_command(name, f"result.json is refused: {error}", log) from None
    check_products(name, order, found, folder, log)
    return sorted(found, key=lambda product: product.detector)


def check_products(
    name: str, order: PayloadOrder, products: Sequence[Product], folder: Path, log: Path
) -> None:
    """Check that there is one product for each detector, made of what was ordered.

    Raises
    ------
    PayloadFailed
        If it is not so.
    """
    wanted = {given.detector for given in order.inputs if given.kind == "raw"}
    known = {given.dataset_id for given in order.inputs}
    detectors = Counter(product.detector for product in products)
    files = Counter(product.file for product in products)
    wrong = [f"detector {detector} has no product" for detector in sorted(wanted - set(detectors))]
    wrong += [
        f"detector {detector} has {number} products"
        for detector, number in sorted(detectors.items())
        if number != int(detector in wanted)
    ]
    for product in products:
        path = folder / product.file
        if not _FILE_NAME.fullmatch(product.file) or path.is_symlink() or not path.is_file():
            wrong.append(f"{product.file[:80]!a} is no file in the folder of products")
        if strangers := set(product.inputs) - known:
            wrong.append(f"{product.file[:80]!a} has inputs not ordered: {min(strangers)[:80]!a}")
        if not product.inputs:
            wrong.append(f"{product.file[:80]!a} names no input")
    wrong += [f"{file[:80]!a} is named twice" for file, number in files.items() if number > 1]
    if wrong:
        raise PayloadFailed.for_command(name, "; ".join(wrong[:12]), log)


def _read_result(document: Any) -> list[Product]:
    if set(document) != {"schema", "products"} or document["schema"] != RESULT_SCHEMA:
        raise ValueError(f"it is no {RESULT_SCHEMA}")
    return [_product(given) for given in document["products"]]


def _product(given: Any) -> Product:
    if not {"detector", "file", "inputs"} <= set(given) <= {
        "detector", "file", "inputs", "statistics",
    }:  # fmt: skip
        raise ValueError(f"a product has the fields {', '.join(map(str, given))}")
    detector, file, inputs = given["detector"], given["file"], given["inputs"]
    statistics = given.get("statistics", {})
    if not (
        isinstance(detector, int)
        and not isinstance(detector, bool)
        and isinstance(file, str)
        and isinstance(inputs, list)
        and all(isinstance(each, str) for each in inputs)
        and isinstance(statistics, dict)
        and all(isinstance(each, int | float) for each in statistics.values())
    ):
        raise TypeError("a field of a product is of another type")
    numbers = {key: float(value) for key, value in statistics.items()}
    return Product(detector, file, tuple(inputs), numbers)
