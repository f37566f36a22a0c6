"""Write FITS headers byte by byte: a header made once, a few cards patched for each file.

astropy takes some milliseconds for a header; a night of the sandbox has 4,100 to 670,000 of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dbb.hooks.fits_checksum import encode, ones_complement_sum

BLOCK_BYTES = 2880
CARD_BYTES = 80
NO_CHECKSUM = "0" * 16

Value = str | bool | int | float | None


def format_card(keyword: str, value: Value) -> bytes:
    """Write one card in fixed format, ``HIERARCH`` where the keyword is long."""
    if isinstance(value, str):
        text = "'" + value.replace("'", "''").ljust(8) + "'"
    elif isinstance(value, bool):
        text = ("T" if value else "F").rjust(20)
    elif value is None:
        text = ""
    else:
        text = repr(value).upper().rjust(20)
    if len(keyword) > 8 or " " in keyword:
        card = f"HIERARCH {keyword} = {text.strip()}"
    else:
        card = f"{keyword:8}= {text}"
    if len(card) > CARD_BYTES:
        raise ValueError(f"{keyword} is too long for a card")
    return card.ljust(CARD_BYTES).encode("ascii")


class PrimaryHeader:
    """Hold the primary header of an exposure, to be completed for each detector."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        cards: dict[str, Value] = {"SIMPLE": True, "BITPIX": 8, "NAXIS": 0, "EXTEND": True}
        cards |= dict(values) | {"CHECKSUM": NO_CHECKSUM, "DATASUM": "0"}
        self._offsets = {keyword: index * CARD_BYTES for index, keyword in enumerate(cards)}
        written = b"".join(format_card(keyword, value) for keyword, value in cards.items())
        self._bytes = _pad(written + b"END")

    def render(self, values: Mapping[str, Value]) -> bytes:
        """Write the header with some values replaced, and its checksum."""
        header = bytearray(self._bytes)
        for keyword, value in values.items():
            offset = self._offsets[keyword]
            header[offset : offset + CARD_BYTES] = format_card(keyword, value)
        return _with_checksum(header, self._offsets["CHECKSUM"], ones_complement_sum(bytes(header)))


def with_plain_checksums(unit: bytes, data_begin: int) -> bytes:
    """Rewrite the checksum cards of a unit without astropy's remark, which has the time in it."""
    header, data = bytearray(unit[:data_begin]), unit[data_begin:]
    data_sum = ones_complement_sum(data)
    values = {"CHECKSUM": NO_CHECKSUM, "DATASUM": str(data_sum)}
    offsets = dict(_offsets(header))
    for keyword, value in values.items():
        offset = offsets[keyword]
        header[offset : offset + CARD_BYTES] = format_card(keyword, value)
    total = ones_complement_sum(bytes(header), data_sum)
    return _with_checksum(header, offsets["CHECKSUM"], total) + data


def _with_checksum(header: bytearray, offset: int, total: int) -> bytes:
    header[offset : offset + CARD_BYTES] = format_card("CHECKSUM", encode(total))
    return bytes(header)


def _offsets(header: bytearray) -> Iterator[tuple[str, int]]:
    for offset in range(0, len(header), CARD_BYTES):
        yield header[offset : offset + 8].decode("ascii").rstrip(), offset


def _pad(header: bytes) -> bytes:
    return header.ljust(-(-len(header) // BLOCK_BYTES) * BLOCK_BYTES)
