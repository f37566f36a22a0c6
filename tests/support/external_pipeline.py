"""An external pipeline as tests run it: averages raw images with nothing but Butler and numpy.

``external_pipeline.py REPOSITORY INPUT_COLLECTION OUTPUT_RUN KIND DATA_QUERY``
"""

from __future__ import annotations

import sys

import numpy as np
from astropy.io import fits
from lsst.daf.butler import Butler


def main(repository: str, inputs: str, output_run: str, kind: str, data_query: str) -> None:
    """Read the images, average each detector, put the products."""
    with Butler.from_config(repository, writeable=True) as butler:
        refs = butler.query_datasets("raw", collections=inputs, where=data_query, limit=None)
        by_detector: dict[int, list[object]] = {}
        for ref in sorted(refs, key=lambda ref: ref.dataId["exposure"]):
            by_detector.setdefault(ref.dataId["detector"], []).append(ref)
        for detector, group in by_detector.items():
            stack = np.array([butler.get(ref)[1].data for ref in group], dtype=np.float32)
            level = np.zeros_like(stack[0])
            instrument = group[0].dataId["instrument"]
            if kind == "dark":
                bias = butler.get(
                    "bias", instrument=instrument, detector=detector, collections=inputs
                )
                level = bias["IMAGE"].data
            product = fits.HDUList(
                [
                    fits.PrimaryHDU(),
                    fits.ImageHDU(stack.mean(axis=0) - level, name="IMAGE"),
                    fits.ImageHDU(stack.var(axis=0) / len(stack) + 0.1, name="VARIANCE"),
                    fits.ImageHDU(np.zeros(stack[0].shape, np.uint8), name="MASK"),
                ]
            )
            header = product[0].header
            header["OVERSCAN"] = False
            used = [str(ref.id) for ref in group]
            header["HIERARCH LSST BUTLER N_INPUTS"] = len(used)
            for number, each in enumerate(used):
                header[f"HIERARCH LSST BUTLER INPUT {number} ID"] = each
            butler.put(product, kind, instrument=instrument, detector=detector, run=output_run)
            sys.stdout.write(f"made the {kind} of detector {detector}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
