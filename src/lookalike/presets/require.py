"""A table that meets what was asked of it: attempts with other knobs, the best of them left, and which knob would help.

The judge stays outside of fitting: all that an attempt learns from the one before is that something was not met. Still, the
best of several tables looks a little better, by the figures that picked it, than it is.
"""

from __future__ import annotations

import copy
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lookalike import pipeline, splitting
from lookalike.errors import SettingsError
from lookalike.evaluate.figures import FIGURES, Thresholds
from lookalike.evaluate.verdicts import read, unmet
from lookalike.presets.knobs import Setup, is_privacy, turn
from lookalike.presets.places import Made, Places, Say
from lookalike.refine import CalibrationSettings, FilterSettings
from lookalike.report import Scorecard
from lookalike.run import LOG, Run
from lookalike.schema import Schema
from lookalike.twin import Twin

MOST_ATTEMPTS = 5
FIRST_SHARE = 0.5
"""Of a time budget, for the first attempt where more may have to follow."""
Draw = Callable[[Twin, Places, Run, FilterSettings | None, float], Scorecard]


def requirements(text: str) -> dict[str, float]:
    """Limits as a person types them: figures and numbers, separated by commas.

    >>> requirements("accuracy=0.95, dcr_share=0.52")
    {'accuracy': 0.95, 'dcr_share': 0.52}
    >>> requirements("acuracy=0.95")
    Traceback (most recent call last):
    lookalike.errors.SettingsError: A requirement names a figure, however: 'acuracy' is none. Known: accuracy, ...
    """
    found: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, sign, number = (piece.strip() for piece in part.partition("="))
        if name not in FIGURES:
            raise SettingsError(
                f"A requirement names a figure, however: {name!r} is none. Known: {', '.join(FIGURES)}."
            )
        if name in found:
            raise SettingsError(f"A requirement stands once for each figure, however: {name!r} stands twice. Keep one.")
        try:
            limit = float(number)
        except ValueError:
            limit = math.nan
        if not sign or not math.isfinite(limit):
            raise SettingsError(
                f"A requirement reads figure=number, however: {part!r} has no number. Write {name}=0.5, say."
            )
        found[name] = limit
    if not found:
        raise SettingsError(f"Requirements read figure=number, however: there are none. Known: {', '.join(FIGURES)}.")
    Thresholds.build(found)
    return found


def first_minutes(minutes: float | None, required: Mapping[str, float] | None) -> float | None:
    """Return what the first attempt may take of a budget.

    >>> first_minutes(10, {"dcr_share": 0.52}), first_minutes(10, None)
    (5.0, 10)
    """
    return minutes if minutes is None or not required else minutes * FIRST_SHARE


@dataclass(frozen=True)
class Common:
    """What all attempts have in common.

    Attributes
    ----------
    minutes, start
        The budget of the whole run, and when it began by ``time.perf_counter``.
    draw
        Draws a twin's rows, judges them and leaves the files.
    raw
        Whether the table before the filter is left, too.
    """

    parts: splitting.Split
    schema: Schema
    seed: int
    minutes: float | None
    start: float
    draw: Draw
    say: Say
    console: Console | None = None
    raw: bool = False

    @property
    def seconds_left(self) -> float:
        spent = time.perf_counter() - self.start
        return float("inf") if self.minutes is None else 60 * self.minutes - spent


@dataclass(frozen=True, order=True)
class Faults:
    """What a card does not meet: how many figures, and by how much of their limits; fewer is better."""

    count: int
    shortfall: float
    figures: tuple[str, ...] = field(compare=False)
    missing: tuple[str, ...] = field(compare=False)


def faults(card: Mapping[str, Any], required: Mapping[str, float]) -> Faults:
    """Return what is not met.

    >>> faults({"fidelity": {"quality": 0.9}}, {"quality": 0.95, "accuracy": 0.9})
    Faults(count=2, shortfall=0.05263157894..., figures=('quality',), missing=('accuracy',))
    """
    values = {name: read(card, name)[0] for name in required if unmet(card, {name: required[name]})}
    measured = {name: value for name, value in values.items() if value is not None}
    shortfall = sum(abs(value - required[name]) / max(abs(required[name]), 1e-3) for name, value in measured.items())
    return Faults(len(values), shortfall, tuple(measured), tuple(name for name in values if name not in measured))


# ---------------------------------------------------------------------------------------------------------- attempts


def meet(first: Made, setup: Setup, common: Common, required: Mapping[str, float]) -> Made:
    """Make tables with other knobs until one meets what is required; return the best, its files where the first one's were.

    At most :data:`MOST_ATTEMPTS` tables are made, the first included, and none is begun for which the time budget has no
    room, or after Ctrl-C: a twin whose training was cut short says nothing of its knobs. What the best does not meet stands in
    ``unmet`` of what is returned, and what would help in ``advice``.
    """
    drawing = time.perf_counter() - common.start - first.twin.information["seconds"]
    best, found = first, faults(first.card.to_dict(), required)
    used, out_of_time, latest = {"privacy": 0, "likeness": 0}, False, found
    _tell(common.say, 1, "as asked", first.card, required)
    interrupted = first.twin.information["interrupted"]
    for number in range(2, MOST_ATTEMPTS + 1):
        if interrupted:
            break
        turned = turn(setup, latest.figures, used) if latest.figures else None
        if turned is None:
            break
        training = first.twin.information["seconds"] / 4 if turned.refit else 0.0
        if common.seconds_left < 1.2 * drawing + training:
            out_of_time = True
            break
        with tempfile.TemporaryDirectory(dir=first.folder, prefix="attempt-") as folder:
            made = _attempt(turned, first, common, Path(folder), common.seconds_left - 1.2 * drawing)
            if made is None:
                interrupted = True
                break
            setup, latest = replace(turned, twin=made.twin, refit=False), faults(made.card.to_dict(), required)
            _tell(common.say, number, ", ".join(setup.turned), made.card, required)
            if latest < found:
                _put_in_place(made, first, common.raw)
                best, found = replace(first, twin=made.twin, card=made.card), latest
    missed = tuple(unmet(best.card.to_dict(), required))
    return replace(best, unmet=missed, advice=advice(found, setup, out_of_time, interrupted) if missed else "")


def _attempt(setup: Setup, first: Made, common: Common, folder: Path, seconds: float) -> Made | None:
    """Make one table in a folder of its own; None where Ctrl-C cut its training."""
    places = Places.beside(first.table_file, folder / first.table_file.name, raw=common.raw)
    run = Run(places.folder, console=common.console, minutes=None if common.minutes is None else seconds / 60)
    twin = setup.twin
    if setup.refit:
        twin = pipeline.fit(
            common.parts.train,
            engine=setup.engine,
            schema=common.schema,
            seed=common.seed,
            avoid=common.parts.holdout,
            run=run,
            **setup.settings,
        )
        if run.interrupted:
            return None
        twin.information |= {name: first.twin.information[name] for name in ("source", "trial", "kept_back")}
    elif setup.settings.get("calibrate") and twin.calibration is None:
        twin = _calibrate(setup, common, run)
        common.say("calibration", twin.calibrated or "", "--set calibrate=…")
    card = common.draw(twin, places, run, setup.filtering, setup.temperature)
    return Made(places.table, places.report, places.twin, places.folder, twin, card)


def _calibrate(setup: Setup, common: Common, run: Run) -> Twin:
    """The same twin, calibrated; the one before stays as it is."""
    twin = copy.copy(setup.twin)
    mine = {name: value for name, value in setup.settings.items() if name in CalibrationSettings.model_fields}
    settings = CalibrationSettings.build(mine)
    encoded = twin.encoder.encode(common.parts.train.data, seed=common.seed)
    twin.calibration = pipeline.calibrated(twin.model, twin.encoder, encoded, settings, common.seed, run)
    notes = {**twin.information["notes"], **run.notes}
    twin.information = {**twin.information, "calibration": settings.model_dump(), "notes": notes}
    return twin


def _put_in_place(made: Made, first: Made, raw: bool) -> None:
    """Its files go where the first attempt's are; the log stays the first one's."""
    pairs = [
        (made.table_file, first.table_file),
        (made.report_file, first.report_file),
        (made.twin_file, first.twin_file),
    ]
    if raw:
        pairs.append((_raw(made), _raw(first)))
    for mine, theirs in pairs:
        mine.replace(theirs)
    for path in made.folder.iterdir():
        place = first.folder / path.name
        if place.is_dir():  # members of an ensemble, in whose place no file system puts others
            shutil.rmtree(place)
        if path.name != LOG:
            path.replace(place)


def _raw(made: Made) -> Path:
    path = Places.beside(made.table_file, made.table_file, raw=True).raw
    assert path is not None
    return path


def _tell(say: Say, number: int, words: str, card: Scorecard, required: Mapping[str, float]) -> None:
    document, figures = card.to_dict(), []
    for name, limit in required.items():
        value = read(document, name)[0]
        told = "missing" if value is None else f"{value:.4g}"
        figures.append(f"{name} {told} ({FIGURES[name].bound} {limit:g})")
    met = "not met" if unmet(document, required) else "met"
    say(f"attempt {number}", f"{words}: {', '.join(figures)}: {met}", "--require")


def advice(found: Faults, setup: Setup, out_of_time: bool, interrupted: bool = False) -> str:
    """Return which knob would help with what the best attempt does not meet.

    >>> setup = Setup(None, "trees", {}, None)
    >>> advice(Faults(1, 0.0, (), ("dcr_share",)), setup, False)
    'dcr_share needs rows that no engine sees: keep more back (--keep-back, --holdout FILE).'
    """
    told = []
    for name in found.missing:
        needs = "a column to predict: --target COLUMN, and rows kept back" if name.startswith("utility") else (
            "rows that no engine sees: keep more back (--keep-back, --holdout FILE)"
        )  # fmt: skip
        told.append(f"{name} needs {needs}.")
    if interrupted:
        told.append("It was interrupted before all knobs were turned: let it go on to its end.")
    if out_of_time:
        told.append("Time ran out before all knobs were turned: give more (--minutes).")
    if any(is_privacy(name) for name in found.figures):
        wider = "a greater distance (--filter --set min_distance=0.1 --set crowd_distance=0)"
        other = "" if setup.engine == "copula" else ", an engine that remembers less (--engine copula)"
        told.append(f"For {_list(found, True)}: {wider}{other}, or more rows to learn from.")
    if any(not is_privacy(name) for name in found.figures):
        less = "no filter, which costs likeness, or " if setup.filtering is not None else ""
        told.append(f"For {_list(found, False)}: {less}a stronger engine with more time (--preset best, --minutes).")
    return " ".join(told)


def _list(found: Faults, privacy: bool) -> str:
    return ", ".join(name for name in found.figures if is_privacy(name) == privacy)
