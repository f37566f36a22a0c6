"""Read a form as Qserv's workers do: in order, and for what it is worth when the sender is cut off.

A field counts only if it stands before the file. A file whose sender was cut off ends where the bytes end: what
came of it is loaded, and whoever sent it has no answer. Of two files the first is loaded, and the second is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request


@dataclass
class Form:
    """Hold what was read: the fields before the first file, and the files."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, bytes]] = field(default_factory=list)


class _Reader:
    """Put the pieces together that the parser finds."""

    def __init__(self) -> None:
        self.form = Form()
        self._name = self._value = b""
        self._options: dict[bytes, bytes] = {}
        self._data = bytearray()
        self._is_open = False

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header,
            "on_headers_finished": self._opened,
            "on_part_data": self._part,
            "on_part_end": self.end,
        }

    def _begin(self) -> None:
        self._name = self._value = b""
        self._options, self._data, self._is_open = {}, bytearray(), False

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        if self._name.lower() == b"content-disposition":
            _, self._options = parse_options_header(self._value)
        self._name = self._value = b""

    def _opened(self) -> None:
        self._is_open = True

    def _part(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def end(self) -> None:
        """End a field or file, by its end or because no more comes."""
        if not self._is_open:
            return
        self._is_open = False
        name = self._options.get(b"name", b"").decode()
        if b"filename" in self._options:
            self.form.files.append((self._options[b"filename"].decode(), bytes(self._data)))
        elif not self.form.files:
            self.form.fields[name] = self._data.decode()


async def read_form(request: Request) -> Form:
    """Read a form to its end, or to where its sender was cut off."""
    _, options = parse_options_header(request.headers["content-type"])
    reader = _Reader()
    parser = MultipartParser(options.get(b"boundary", b""), reader.callbacks())  # type: ignore[arg-type]
    try:
        async for data in request.stream():
            parser.write(data)
    except ClientDisconnect:
        reader.end()
    except MultipartParseError as error:
        raise ValueError(str(error)) from error
    return reader.form
