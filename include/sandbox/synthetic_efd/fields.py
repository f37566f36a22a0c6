"""Fields of the topics by their real names: 0 is a field, a number the length of an array."""

from __future__ import annotations

FIELDS: dict[str, dict[str, int]] = {
    "lsst.sal.ATHexapod.positionStatus": {
        "reportedPosition": 6,
    },
    "lsst.sal.ATMCS.mount_AzEl_Encoders": {
        "azimuthCalculatedAngle": 0,
        "elevationCalculatedAngle": 0,
    },
    "lsst.sal.ATMCS.mount_Nasmyth_Encoders": {
        "nasmyth1CalculatedAngle": 0,
    },
    "lsst.sal.ATPtg.mountPositions": {
        "declination": 0,
        "ra": 0,
        "skyAngle": 0,
    },
    "lsst.sal.DIMM.logevent_dimmMeasurement": {
        "fwhm": 0,
    },
    "lsst.sal.ESS.accelerometer": {
        "accelerationX": 400,
        "accelerationY": 400,
        "accelerationZ": 400,
    },
    "lsst.sal.ESS.accelerometerPSD": {
        "accelerationPSDX": 201,
        "accelerationPSDY": 201,
        "accelerationPSDZ": 201,
    },
    "lsst.sal.ESS.airFlow": {
        "direction": 0,
        "speed": 0,
        "speedStdDev": 0,
    },
    "lsst.sal.ESS.airTurbulence": {
        "sonicTemperature": 0,
        "sonicTemperatureStdDev": 0,
        "speedMagnitude": 0,
        "speedMaxMagnitude": 0,
        "speed": 3,
        "speedStdDev": 3,
    },
    "lsst.sal.ESS.dewPoint": {
        "dewPointItem": 0,
    },
    "lsst.sal.ESS.logevent_ringssMeasurement": {
        "fwhmFree": 0,
        "fwhmScintillation": 0,
        "fwhmSector": 0,
    },
    "lsst.sal.ESS.pressure": {
        "pressureItem": 2,
    },
    "lsst.sal.ESS.relativeHumidity": {
        "relativeHumidityItem": 0,
    },
    "lsst.sal.ESS.temperature": {
        "temperatureItem": 8,
    },
    "lsst.sal.MTAOS.logevent_cameraHexapodCorrection": {
        "u": 0,
        "v": 0,
        "w": 0,
        "x": 0,
        "y": 0,
        "z": 0,
    },
    "lsst.sal.MTAOS.logevent_degreeOfFreedom": {
        "aggregatedDoF": 50,
        "visitDof": 50,
    },
    "lsst.sal.MTAOS.logevent_m1m3Correction": {
        "zForces": 156,
    },
    "lsst.sal.MTAOS.logevent_m2Correction": {
        "zForces": 72,
    },
    "lsst.sal.MTAOS.logevent_m2HexapodCorrection": {
        "u": 0,
        "v": 0,
        "w": 0,
        "x": 0,
        "y": 0,
        "z": 0,
    },
    "lsst.sal.MTAOS.logevent_mirrorStresses": {
        "stressM2": 0,
        "stressM1M3": 0,
    },
    "lsst.sal.MTAOS.logevent_wavefrontError": {
        "annularZernikeCoeff": 19,
        "nollZernikeIndices": 100,
    },
    "lsst.sal.MTHexapod.logevent_compensationOffset": {
        "u": 0,
        "v": 0,
        "w": 0,
        "x": 0,
        "y": 0,
        "z": 0,
    },
    "lsst.sal.MTHexapod.logevent_uncompensatedPosition": {
        "u": 0,
        "v": 0,
        "w": 0,
        "x": 0,
        "y": 0,
        "z": 0,
    },
    "lsst.sal.MTM1M3.accelerometerData": {
        "angularAccelerationX": 0,
        "angularAccelerationY": 0,
        "angularAccelerationZ": 0,
        "accelerometer": 8,
    },
    "lsst.sal.MTM1M3.appliedAzimuthForces": {
        "zForces": 156,
    },
    "lsst.sal.MTM1M3.appliedElevationForces": {
        "zForces": 156,
    },
    "lsst.sal.MTM1M3.appliedForces": {
        "zForces": 156,
    },
    "lsst.sal.MTM1M3.appliedThermalForces": {
        "zForces": 156,
    },
    "lsst.sal.MTM1M3TS.glycolLoopTemperature": {
        "aboveMirrorTemperature": 0,
        "insideCellTemperature1": 0,
        "insideCellTemperature2": 0,
        "insideCellTemperature3": 0,
    },
    "lsst.sal.MTM1M3TS.thermalData": {
        "absoluteTemperature": 96,
    },
    "lsst.sal.MTM2.axialForce": {
        "applied": 72,
        "lutGravity": 72,
        "lutTemperature": 72,
    },
    "lsst.sal.MTM2.temperature": {
        "ring": 12,
    },
    "lsst.sal.MTMount.encoder": {
        "azimuthEncoderAbsolutePosition": 4,
        "elevationEncoderAbsolutePosition": 4,
    },
    "lsst.sal.MTPtg.mountPosition": {
        "declination": 0,
        "ra": 0,
        "rotatorActualPosition": 0,
        "skyAngle": 0,
    },
    "lsst.sal.MTVMS.psd": {
        "accelerationPSDX": 100,
        "accelerationPSDY": 100,
        "accelerationPSDZ": 103,
    },
}

INDEXED = frozenset(
    {
        "lsst.sal.ESS.accelerometer",
        "lsst.sal.ESS.accelerometerPSD",
        "lsst.sal.ESS.airFlow",
        "lsst.sal.ESS.airTurbulence",
        "lsst.sal.ESS.dewPoint",
        "lsst.sal.ESS.logevent_ringssMeasurement",
        "lsst.sal.ESS.pressure",
        "lsst.sal.ESS.relativeHumidity",
        "lsst.sal.ESS.temperature",
        "lsst.sal.MTHexapod.logevent_compensationOffset",
        "lsst.sal.MTHexapod.logevent_uncompensatedPosition",
        "lsst.sal.MTVMS.psd",
    }
)
"""Topics of components of which there are several: their points have a ``salIndex``."""
