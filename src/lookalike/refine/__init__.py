"""Room 6: rows as they were drawn, made better: chosen from a pool, checked, and drawn again where they do not pass."""

from lookalike.refine.calibrate import Calibration, CalibrationSettings
from lookalike.refine.filter import Filter, FilterSettings
from lookalike.refine.refill import Check, refill

__all__ = ["Calibration", "CalibrationSettings", "Check", "Filter", "FilterSettings", "refill"]
