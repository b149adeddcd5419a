"""Named runs, as plain functions: the default one (``make``), and what changes it."""

from lookalike.presets.augmenting import Augmented, augment, augment_to
from lookalike.presets.judging import Judged, judge
from lookalike.presets.making import demo, make
from lookalike.presets.named import named
from lookalike.presets.places import Made, Places, check_outputs, twin_of
from lookalike.presets.require import requirements
from lookalike.presets.settings import settings_from, settings_sections
from lookalike.presets.twins import fill, filter_from, fit_to

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
    "filter_from",
    "fit_to",
    "judge",
    "make",
    "named",
    "requirements",
    "settings_from",
    "settings_sections",
    "twin_of",
]
