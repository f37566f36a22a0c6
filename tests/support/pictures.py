"""Pictures of what a browser shows, for the documentation: PNG with a palette, a third of the size."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

LEVELS = 31
"""Steps of each colour: fewer are not seen in a page of text, and let a palette of 256 do."""
PIXELS = """
async (png) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return [image.width, image.height, btoa(text)];
}
"""


def take_picture(page, path):
    """Keep what a page shows."""
    png = base64.b64encode(page.screenshot()).decode()
    reader = page.context.new_page()  # the page's own policy may forbid to read pictures
    width, height, pixels = reader.evaluate(PIXELS, png)
    reader.close()
    colours = np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)
    path.write_bytes(_encode(colours[:, :, :3]))


def _encode(colours):
    height, width, _ = colours.shape
    steps = np.rint(colours.reshape(-1, 3) / 255 * LEVELS).astype(int)
    known, where, often = np.unique(steps, axis=0, return_inverse=True, return_counts=True)
    palette = known[np.argsort(-often)[:256]]
    distance = ((known[:, None, :] - palette[None, :, :]) ** 2).sum(axis=2)
    pixels = distance.argmin(axis=1).astype(np.uint8)[where.reshape(-1)].reshape(height, width)
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels])  # each row is led by "no filter"
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    table = np.rint(palette / LEVELS * 255).astype(np.uint8)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", head),
            (b"PLTE", table.tobytes()),
            (b"IDAT", zlib.compress(rows.tobytes(), 9)),
            (b"IEND", b""),
        )
    )


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
