"""Named runs, as plain functions: the default one (``make``), and what changes it."""

from lookalike.presets.augmenting import Augmented, augment, augment_to
from lookalike.presets.judging import Judged, judge
from lookalike.presets.making import Made, demo, make
from lookalike.presets.places import Places, check_outputs
from lookalike.presets.settings import settings_from, settings_sections
from lookalike.presets.twins import fill, fit_to

__all__ = [
    "Augmented",
    "Judged",
    "Made",
    "Places",
    "augment",
    "augment_to",
    "check_outputs",
    "demo",
    "fill",
    "fit_to",
    "judge",
    "make",
    "settings_from",
    "settings_sections",
]
