"""Room 6: rows as they were drawn, made better: checked, and drawn again where they do not pass."""

from lookalike.refine.calibrate import Calibration, CalibrationSettings
from lookalike.refine.refill import Check, refill

__all__ = ["Calibration", "CalibrationSettings", "Check", "refill"]
