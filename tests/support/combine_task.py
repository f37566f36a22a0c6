"""A task of Rubin's pipeline framework that averages raw images, as a pipeline of tests runs it."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits
from lsst.pipe.base import (
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    Struct,
    connectionTypes,
)


class CombineConnections(
    PipelineTaskConnections,
    dimensions=("instrument", "detector"),
    defaultTemplates={},
):
    """Take the raw images of a detector, give its bias."""

    images = connectionTypes.Input(
        name="raw",
        doc="The images.",
        storageClass="FitsHDUList",
        dimensions=("instrument", "exposure", "detector"),
        multiple=True,
        deferLoad=True,
    )
    product = connectionTypes.Output(
        name="bias",
        doc="Their mean.",
        storageClass="FitsHDUList",
        dimensions=("instrument", "detector"),
        isCalibration=True,
    )


class CombineConfig(PipelineTaskConfig, pipelineConnections=CombineConnections):
    """Has nothing to set."""


class CombineTask(PipelineTask):
    """Average."""

    ConfigClass = CombineConfig
    _DefaultName = "combine"

    def runQuantum(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> None:  # noqa: N802, N803
        """Work on one detector; the product says what it was made of."""
        handles = butlerQC.get(inputRefs).pop("images")
        product = self.run(handles).product
        header = product[0].header
        header["HIERARCH LSST BUTLER N_INPUTS"] = len(inputRefs.images)
        for number, ref in enumerate(sorted(inputRefs.images, key=lambda ref: str(ref.id))):
            header[f"HIERARCH LSST BUTLER INPUT {number} ID"] = str(ref.id)
        butlerQC.put(Struct(product=product), outputRefs)

    def run(self, images: list[Any]) -> Struct:
        """Average images."""
        stack = np.array([image.get()[1].data for image in images], dtype=np.float32)
        units = [
            fits.PrimaryHDU(),
            fits.ImageHDU(stack.mean(axis=0), name="IMAGE"),
            fits.ImageHDU(stack.var(axis=0) / len(stack) + 0.1, name="VARIANCE"),
            fits.ImageHDU(np.zeros(stack[0].shape, np.uint8), name="MASK"),
        ]
        units[0].header["OVERSCAN"] = False
        return Struct(product=fits.HDUList(units))
