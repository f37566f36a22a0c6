"""A stack of images on disk, read by bands of rows: memory does not grow with the exposures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Cube:
    """Keep images of one shape in a file without a name: it goes when the process does.

    Parameters
    ----------
    folder
        Where there is room: four bytes a pixel and image.
    """

    def __init__(self, folder: Path) -> None:
        self.shape = (0, 0)
        self.count = 0
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - see __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, image: Floats) -> None:
        """Take one image; the first one says how large they all are."""
        rows, columns = image.shape
        if self.count and (rows, columns) != self.shape:
            raise ValueError(f"an image of {image.shape} in a stack of {self.shape}")
        self.shape = (rows, columns)
        view = np.ascontiguousarray(image, dtype=np.float32).data.cast("B")
        while view:
            view = view[self._file.write(view) :]
        self.count += 1

    def bands(self, budget_bytes: int) -> Iterator[tuple[slice, Floats]]:
        """Give all rows in order, as many at a time as the budget holds of all images.

        Yields
        ------
        slice, array
            The rows, and their pixels: images, rows, columns.
        """
        rows, columns = self.shape
        height = max(1, budget_bytes // (self.count * columns * 4))
        for first in range(0, rows, height):
            last = min(rows, first + height)
            band = np.empty((self.count, last - first, columns), dtype=np.float32)
            for number in range(self.count):
                self._file.seek((number * rows + first) * columns * 4)
                self._fill(band[number].data.cast("B"))
            yield slice(first, last), band

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self._file.readinto(view)
            if not count:
                raise EOFError("the stack of images ends too early")
            view = view[count:]
