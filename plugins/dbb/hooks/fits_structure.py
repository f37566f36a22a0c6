"""Walk through a FITS file by its own rules, in bounded time and memory (FITS 4.0, section 3).

Nothing in the file is trusted: a header has at most a thousand blocks, a unit never claims more
bytes than an image can have, and the file ends exactly where its last unit does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dbb.errors import FitsChecksumMismatch, TruncatedFile, UnreadableFits
from dbb.hooks.fits_checksum import ALL_ONES, ones_complement_sum
from dbb.hooks.fits_header import CARD_BYTES, BadCard, Value, read_cards, read_value

BLOCK_BYTES = 2880
MAX_HEADER_BYTES = 1000 * BLOCK_BYTES
MAX_UNITS = 1000
MAX_DATA_BYTES = 8 * 1024**3
MAX_AXES = 999
BITPIX = frozenset({8, 16, 32, 64, -32, -64})

_END = b"END" + b" " * 77
_NOT_PLAIN = re.compile(rb"[^ -~]")
_AXIS = re.compile(rb"NAXIS[1-9][0-9]{0,2} *")
_STRUCTURAL = frozenset(
    {b"SIMPLE", b"XTENSION", b"BITPIX", b"NAXIS", b"PCOUNT", b"GCOUNT", b"CHECKSUM", b"DATASUM"}
)


@dataclass(frozen=True, slots=True)
class FitsUnit:
    """Hold one header-data unit.

    Parameters
    ----------
    number
        Its number, from 0.
    header
        The cards before ``END``.
    positions
        By keyword as it stands (eight characters), the offset of its first card in ``header``.
    repeated
        Keywords of more than one card, as they stand.
    begin, data_begin, end
        Where in the file its header, its data and the next unit begin.
    """

    number: int
    header: bytes
    positions: dict[bytes, int]
    repeated: frozenset[bytes]
    begin: int
    data_begin: int
    end: int

    def get(self, keyword: str) -> Value:
        """Read one value; None where the keyword or its value is missing.

        Raises
        ------
        BadCard
            If the value cannot be read.
        """
        start = self.positions.get(keyword.ljust(8).encode("ascii"))
        if start is None or self.header[start + 8 : start + 10] != b"= ":
            return None
        return read_value(self.header[start + 10 : start + CARD_BYTES].decode("ascii"), keyword)

    def cards(self) -> dict[str, Value]:
        """Read all values.

        Raises
        ------
        BadCard
            If one cannot be read.
        """
        return read_cards(self.header.decode("ascii"))

    def repeats(self, keyword: str) -> bool:
        """Say whether a keyword has more than one card."""
        return keyword.ljust(8).encode("ascii") in self.repeated


def read_units(name: str, data: bytes) -> list[FitsUnit]:
    """Find the units of a FITS file.

    Raises
    ------
    TruncatedFile
        If the file ends within a unit.
    UnreadableFits
        If it breaks another rule.
    """
    try:
        return list(_walk(name, data))
    except BadCard as error:
        raise UnreadableFits.for_file(name, error) from None


def verify_checksums(name: str, data: bytes, units: list[FitsUnit]) -> bool:
    """Check CHECKSUM and DATASUM of every unit; say whether the file has them.

    A file has both in every unit or in none, else one flipped bit in the keyword would switch the
    check off.

    Raises
    ------
    FitsChecksumMismatch
        If one disagrees with the bytes, or is missing where others are there.
    """
    sums = [(_text(unit, "CHECKSUM"), _text(unit, "DATASUM")) for unit in units]
    if not any(checksum or datasum for checksum, datasum in sums):
        return False
    view = memoryview(data)
    for unit, (checksum, datasum) in zip(units, sums, strict=True):
        data_sum = ones_complement_sum(view[unit.data_begin : unit.end])
        if not (datasum.isdecimal() and int(datasum) == data_sum):
            raise FitsChecksumMismatch.for_unit(name, unit.number, "DATASUM")
        total = ones_complement_sum(view[unit.begin : unit.data_begin], data_sum)
        if not checksum or total != ALL_ONES:
            raise FitsChecksumMismatch.for_unit(name, unit.number, "CHECKSUM")
    return True


def _walk(name: str, data: bytes) -> Iterator[FitsUnit]:
    position = number = 0
    while position < len(data) or number == 0:
        if number >= MAX_UNITS:
            raise BadCard(f"it has more than {MAX_UNITS} units")
        first = b"XTENSION=" if number else b"SIMPLE  ="
        start = data[position : position + 9]
        if not first.startswith(start) or (number == 0 and not data):
            raise BadCard(f"unit {number} does not begin with {first[:8].decode('ascii').strip()}")
        unit = _unit(name, data, number, position)
        yield unit
        position = unit.end
        number += 1


def _unit(name: str, data: bytes, number: int, begin: int) -> FitsUnit:
    end_card = _find_end(name, data, begin)
    data_begin = begin + _whole_blocks(end_card + CARD_BYTES - begin)
    if data_begin > len(data):
        raise TruncatedFile.for_file(name, data_begin, len(data))
    header = data[begin:end_card]
    if _NOT_PLAIN.search(header) or data[end_card + CARD_BYTES : data_begin].strip(b" "):
        raise BadCard(f"the header of unit {number} has characters that no header may have")
    keywords = [header[start : start + 8] for start in range(0, len(header), CARD_BYTES)]
    positions: dict[bytes, int] = {}
    repeated = set()
    for index, keyword in enumerate(keywords):
        if positions.setdefault(keyword, index * CARD_BYTES) != index * CARD_BYTES:
            repeated.add(keyword)
    for keyword in repeated:
        if keyword.rstrip() in _STRUCTURAL or _AXIS.fullmatch(keyword):
            raise BadCard(f"{keyword.decode('ascii').strip()} occurs twice in unit {number}")
    found = frozenset(repeated)
    unit = FitsUnit(number, header, positions, found, begin, data_begin, data_begin)
    data_end = data_begin + _data_bytes(unit)
    end = data_begin + _whole_blocks(data_end - data_begin)
    if end > len(data):
        raise TruncatedFile.for_file(name, end, len(data))
    # The checksum cannot tell a word of ones from one of zeros, so the fill is looked at itself.
    if data[data_end:end].strip(b" " if unit.get("XTENSION") == "TABLE" else b"\0"):
        raise BadCard(f"the data of unit {number} are filled up with something")
    return replace(unit, end=end)


def _find_end(name: str, data: bytes, begin: int) -> int:
    limit = min(len(data), begin + MAX_HEADER_BYTES)
    position = data.find(_END, begin, limit)
    while position >= 0 and (position - begin) % CARD_BYTES:
        position = data.find(_END, position + 1, limit)
    if position >= 0:
        return position
    if limit < len(data):
        raise BadCard(f"a header has no END in {MAX_HEADER_BYTES // BLOCK_BYTES} blocks")
    raise TruncatedFile.for_file(name, _whole_blocks(len(data) + 1), len(data))


def _data_bytes(unit: FitsUnit) -> int:
    if unit.number == 0 and unit.get("SIMPLE") is not True:
        raise BadCard("SIMPLE is not T")
    if unit.get("GROUPS") is True:
        raise BadCard("random groups are not read")
    bitpix = _whole_number(unit, "BITPIX", None)
    if bitpix not in BITPIX:
        raise BadCard(f"BITPIX is {bitpix}")
    axes = _whole_number(unit, "NAXIS", None)
    if not 0 <= axes <= MAX_AXES:
        raise BadCard(f"NAXIS is {axes}")
    if axes == 0:
        return 0
    elements = 1
    for axis in range(1, axes + 1):
        length = _whole_number(unit, f"NAXIS{axis}", None)
        if not 0 <= length <= MAX_DATA_BYTES:
            raise BadCard(f"NAXIS{axis} is {length}")
        elements = min(elements * length, MAX_DATA_BYTES + 1)  # a product that stays small
    heap, groups = _whole_number(unit, "PCOUNT", 0), _whole_number(unit, "GCOUNT", 1)
    size_bytes = abs(bitpix) // 8 * groups * (heap + elements)
    if heap < 0 or groups < 1 or size_bytes > MAX_DATA_BYTES:
        raise BadCard(f"unit {unit.number} claims {size_bytes} bytes of data")
    return size_bytes


def _whole_number(unit: FitsUnit, keyword: str, default: int | None) -> int:
    value = unit.get(keyword)
    if value is None:
        value = default
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadCard(f"{keyword} of unit {unit.number} is no whole number")
    return value


def _text(unit: FitsUnit, keyword: str) -> str:
    try:
        value = unit.get(keyword)
    except BadCard:
        return "?"
    return value.strip() if isinstance(value, str) else ""


def _whole_blocks(size_bytes: int) -> int:
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES
