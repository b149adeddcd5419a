"""A table file in; its look-alike, a report and a twin out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from lookalike import pipeline, preparing, registry, routing
from lookalike.demo import demo_table
from lookalike.errors import InputError, PrivacyError, SchemaError, SettingsError
from lookalike.evaluate.figures import Thresholds
from lookalike.evaluate.prepare import scored
from lookalike.evaluate.utility import target_name
from lookalike.model.base import EngineSettings
from lookalike.presets.budget import report_seconds, training_minutes
from lookalike.presets.form import check_form
from lookalike.presets.named import named
from lookalike.presets.places import Made, Places, Say, cut_short, run_folder, silent
from lookalike.presets.require import Common, Setup, first_minutes, meet
from lookalike.refine import Filter, FilterSettings
from lookalike.report import Scorecard
from lookalike.report.words import listed
from lookalike.rng import derive_seed, generator
from lookalike.run import CARD, Run
from lookalike.sample import check_rows
from lookalike.schema import Schema
from lookalike.table import Table, TableWriter, as_table, write_table
from lookalike.twin import Twin

JUDGED_ROWS = 200_000
"""Sampled rows that the report looks at, at most: more would not move a figure."""
QUICK_ROWS, QUICK_EPOCHS = 2_000, 20


PRIVATE = "the table and the twin may be published; the report compares with real rows, so it is for your eyes only"
NOT_COVERED = (
    "The made table and the twin are differentially private, this report is not: it looks at real rows, and its figures are not "
    "covered by ε. It is for the owner's eyes only; do not publish it."
)


def quick(table: Table, settings: dict[str, Any], learning: EngineSettings, seed: int) -> tuple[Table, dict[str, Any]]:
    """A trial run: few rows, few epochs (of an engine that has epochs), the same files."""
    if table.num_rows > QUICK_ROWS:
        rows = generator(seed, "quick").permutation(table.num_rows)[:QUICK_ROWS]
        table = table.take(np.sort(rows))
    if learning.heeds("epochs"):
        settings = {**settings, "epochs": min(settings.get("epochs", QUICK_EPOCHS), QUICK_EPOCHS)}
    return table, settings


def make(
    source: str | Path,
    *,
    preset: str | None = None,
    out: str | Path | None = None,
    rows: int | None = None,
    engine: str | None = None,
    schema: Any = None,
    drop: Iterable[str] = (),
    keys: Iterable[str] = (),
    derive: Mapping[str, str] | None = None,
    target: str | None = None,
    holdout: str | Path | None = None,
    keep_back: float = 0.1,
    seed: int = 0,
    minutes: float | None = None,
    trial: bool = False,
    force: bool = False,
    resume: bool = False,
    escape_formulas: bool = False,
    console: Console | None = None,
    command: str | None = None,
    say: Say = silent,
    thresholds: Mapping[str, float] | None = None,
    apart: bool | None = None,
    raw: bool | None = None,
    require: Mapping[str, float] | None = None,
    **settings: Any,
) -> Made:
    """A table file in; its look-alike, a report and a twin out.

    Parameters
    ----------
    source
        A CSV or Parquet file.
    preset
        A named run (:mod:`lookalike.presets.named`): what it changes of the defaults; all that is given here goes before it.
    out
        Where the look-alike goes (``<source>-lookalike.csv`` when left out); report and run folder stand beside it.
    rows
        How many rows; as many as the source has when left out.
    holdout
        A file of real rows to measure with, instead of keeping back a share ``keep_back`` of the source.
    trial
        A trial run in seconds: few rows, few epochs, marked as a trial; not under a privacy budget.
    force, resume
        Overwrite what an earlier run left; go on from its checkpoint.
    thresholds
        Limits that change the report's verdicts, as for :func:`lookalike.evaluate`.
    apart
        Draw rows again that are identical to a row learned from, too close to it or leaning on it: the filter.
    raw
        Leave the table as it was before the filter, too, beside the filtered one.
    require
        What the table must reach, ``{"dcr_share": 0.52, "nndr_ratio": 0.5}``: where the first attempt does not, others
        with other knobs follow, and the best is left; see :mod:`lookalike.presets.require`.
    **settings
        As for :func:`lookalike.fit`; and the filter's.
    """
    if not isinstance(source, (str, Path)):
        raise InputError(
            f"make takes a file and leaves others beside it, however: source is a {type(source).__name__}. Use fit, sample and evaluate for a frame."
        )
    source, start = Path(source), time.perf_counter()
    chosen = named(preset, engine=engine, private=settings.get("epsilon") is not None)
    given = {"engine": engine, "minutes": minutes, "apart": apart, "raw": raw}
    chosen |= {name: value for name, value in given.items() if value is not None} | settings
    engine, minutes = chosen.pop("engine", pipeline.RunSettings().engine), chosen.pop("minutes", None)
    apart, raw, settings = chosen.pop("apart", False), chosen.pop("raw", False), chosen
    run_settings = pipeline.RunSettings.build(
        {"engine": engine, "seed": seed, "keep_back": keep_back, "minutes": minutes, "apart": apart}
    )
    engine = routing.private_engine(engine, settings)
    filtering, settings = filter_settings(settings, apart)
    if raw and not apart:
        raise SettingsError(
            "the table before the filter is left beside the filtered one, however: the filter is off. Add --filter."
        )
    asked = routing.route(engine, settings)
    learning, private = asked.learning, asked.private
    if private and (apart or require or derive):
        raise PrivacyError(
            "under a privacy budget nothing looks at rows uncharged, however: a filter, requirements or derived columns were asked for, "
            "which do. Leave them out."
        )
    if private and trial:
        raise PrivacyError(
            "under a privacy budget no few rows are picked out for a trial, as their number would follow from that of all, however: --quick "
            "was asked for. Leave it out."
        )
    limits = Thresholds.build({**(thresholds or {}), **(require or {})})
    if rows is not None:
        check_rows(rows, fewest=1)
    run_settings.check_yardstick(holdout)
    places = Places.beside(source, None if out is None else Path(out), raw=raw)
    if private:
        # what is read off the rows would decide, uncharged, whether there is a table at all; the columns' kinds are learned by the fit
        table, declared = preparing.declared_publicly(source, schema=schema, drop=drop)
        settled, kinds = None, "what they are is learned within the budget"
        if target is not None and target not in table.names:
            raise SchemaError(f"{target!r} is not a column of this table. Columns: {', '.join(table.names)}.")
    else:
        table, settled = preparing.prepare(source, schema=schema, drop=drop, keys=keys, target=target, derive=derive)
        kinds = describe(settled)
        if target is not None:
            target_name(scored(settled), target)
    places.check(force=force or resume, read=[source, holdout, schema], escape_formulas=escape_formulas)
    say(
        "table",
        f"{source.name}: {table.num_rows:,} rows × {len(table.names)} columns: {kinds}",
        f"edit: lookalike schema {source}",
    )
    asked_rows = table.num_rows if rows is None else rows
    if trial:
        table, settings = quick(table, settings, learning, seed)
        epochs = f" and {settings['epochs']} epochs" if learning.heeds("epochs") else ""
        say(
            "trial",
            f"{table.num_rows:,} rows{epochs}: see the shape of the result, do not use it",
            "drop --quick",
        )
    reserve = report_seconds(table.num_rows, min(asked_rows, JUDGED_ROWS), len(table.names))
    spent = time.perf_counter() - start
    with run_folder(places.folder, resume) as folder:
        run = Run(
            folder,
            console=console,
            minutes=training_minutes(first_minutes(minutes, require), spent, reserve),
            resume=resume,
        )
        if holdout is not None:
            parts = preparing.split_given(table, holdout, settled, derive or {}, str(holdout))
            if private:  # a run that kept rows back cannot go on with all of them
                preparing.split_privately(table, 0, run)
        elif private:
            parts = preparing.split_privately(table, run_settings.keep_back, run)
        else:
            parts = preparing.split(table, run_settings.keep_back, seed)
        say("kept back", parts.words, "--keep-back, --holdout")
        say("engine", engine, "--engine " + "|".join(name for name in registry.ENGINES if name != engine))
        # keys that avoid others would tell of them
        columns = {"schema": declared, "keys": keys} if private else {"schema": settled, "avoid": parts.holdout}
        twin = pipeline.fit(parts.train, engine=engine, seed=seed, run=run, **columns, **settings)
        if private:
            asked_rows = twin.rows if rows is None else rows
            say("privacy", PRIVATE, "--epsilon, --delta")
        twin.information |= {"source": source.name, "trial": trial}
        if not private:
            twin.information["kept_back"] = 0 if parts.holdout is None else parts.holdout.num_rows
        how = cut_short(run) if run.interrupted else twin.effort
        say(
            "training",
            f"{how}, {twin.information['seconds']:.1f} s",
            "--epochs, --minutes" if learning.heeds("epochs") else "--minutes",
        )
        if twin.why is not None:
            say("picked", f"{twin.picked}: {twin.why}", f"--engine {twin.drawn_by}")
        if twin.calibrated is not None:
            say("calibration", twin.calibrated, "--set calibrate=…")
        before = [] if settled is None else settled.constraints
        found = [rule.words for rule in twin.schema.constraints if rule not in before]
        if found:
            say("found", f"{listed(found)}: in every row, and so in every row made", "--set keep_rules=false")
        # under a budget columns may be of other kinds than what is read off the rows exactly
        settled = twin.schema if target is None else twin.schema.replace(target, role="target")
        job = Job(parts, settled, asked_rows, seed, limits, command, escape_formulas, start, say)
        card = deliver(job, twin, places, run, filtering)
        made = Made(places.table, places.report, places.twin, places.folder, twin, card)
        if not require:
            return made
        common = Common(parts, settled, seed, minutes, start, partial(deliver, job), say, console, raw)
        return meet(made, Setup(twin, engine, settings, filtering), common, require)


@dataclass(frozen=True)
class Job:
    """What stays the same whichever twin the rows come from."""

    parts: preparing.Split
    schema: Schema
    rows: int
    seed: int
    limits: Thresholds
    command: str | None
    escape_formulas: bool
    start: float
    say: Say


def deliver(
    job: Job,
    twin: Twin,
    places: Places,
    run: Run,
    filtering: FilterSettings | None = None,
    temperature: float = 1.0,
) -> Scorecard:
    """Save the twin, draw its rows to the file, judge them, and leave the report."""
    twin.save(places.twin)
    apart = None if filtering is None else twin.filter(job.parts.train, filtering)
    seed = derive_seed(job.seed, "make")
    if places.raw is not None:
        write_rows(twin, places.raw, job.rows, seed, job.escape_formulas, job.parts.train, None, temperature)
        job.say("raw", f"{places.raw.name}: the same, before the filter", "")
    fake = write_rows(twin, places.table, job.rows, seed, job.escape_formulas, job.parts.train, apart, temperature)
    job.say("sampling", f"{job.rows:,} rows", "--rows")
    if apart is not None:
        job.say("filter", apart.words, "--set min_distance=…")
    card = pipeline.evaluate(
        job.parts.train,
        fake,
        holdout=job.parts.holdout,
        schema=job.schema,
        seed=job.seed,
        thresholds=job.limits,
        information=report_information(twin, job.command, time.perf_counter() - job.start, apart),
    )
    card.to_html(places.report)
    run.write_json(CARD, card.to_dict())
    run.log(f"report written to {places.report.name}")
    return card


def filter_settings(settings: Mapping[str, Any], apart: bool) -> tuple[FilterSettings | None, dict[str, Any]]:
    """The filter's settings, None where it is off, and all others.

    >>> filter_settings({"min_distance": 0.1, "epochs": 3}, True)[1]
    {'epochs': 3}
    """
    mine = {name: value for name, value in settings.items() if name in FilterSettings.model_fields}
    chosen = FilterSettings.build(mine)
    if not apart and chosen.changed:
        raise SettingsError(
            f"{', '.join(chosen.changed)}: a setting of the filter does nothing without it, however: the filter is off. Add --filter (apart=True)."
        )
    return chosen if apart else None, {name: value for name, value in settings.items() if name not in mine}


def describe(schema: Schema) -> str:
    """The kinds of a schema's columns in words: ``1 key, 5 numbers, 8 categories, 1 date``."""
    words = {
        ("key",): ("key", "keys"),
        ("integer", "float"): ("number", "numbers"),
        ("category", "ordinal"): ("category", "categories"),
        ("boolean",): ("yes/no", "yes/no"),
        ("datetime",): ("date", "dates"),
        ("constant",): ("constant", "constants"),
    }
    counts = {names: sum(spec.kind in kinds for spec in schema.kept) for kinds, names in words.items()}
    return ", ".join(f"{count} {names[count > 1]}" for names, count in counts.items() if count)


def report_information(twin: Twin, command: str | None, seconds: float, apart: Filter | None = None) -> dict[str, Any]:
    """What the report says about the run."""
    known = twin.information
    return {
        "title": known["source"],
        "trial": known["trial"],
        "command": command,
        "engine": twin.picked,
        "losses": twin.losses.to_dict("records"),
        "notes": [
            *(["Training was interrupted; this is the best state it had reached."] if known["interrupted"] else []),
            *([NOT_COVERED] if twin.privacy is not None else []),
        ],
        "settings": {
            twin.engine: known["settings"],
            "encoder": known["encoder"],
            "calibration": known["calibration"],
            **known["notes"],
            **({} if apart is None else {"filter": apart.told}),
        },
        "filter": None if apart is None else apart.words,
        "ledger": None if twin.privacy is None else twin.privacy.describe(),
        "seeds": {"run": known["seed"]},
        "versions": known["versions"],
        "timings": {"training": known["seconds"], "total": round(seconds, 3)},
    }


def write_rows(
    twin: Twin,
    path: Path,
    rows: int,
    seed: int,
    escape_formulas: bool,
    real: Table,
    apart: Filter | None = None,
    temperature: float = 1.0,
) -> Table:
    """Write all rows to the file, in the form of the real table, and keep as many as the report looks at."""
    kept: list[pa.Table] = []
    form = real.data.select([spec.name for spec in twin.schema.kept])
    with TableWriter(path, twin.origin, escape_formulas=escape_formulas) as writer:
        for batch in twin.batches(rows, seed=seed, apart_from=apart, temperature=temperature):
            check_form(batch.data, form)
            writer.write(batch)
            if sum(table.num_rows for table in kept) < JUDGED_ROWS:
                kept.append(batch.data)
    return Table(pa.concat_tables(kept), twin.origin)


def demo(
    folder: str | Path,
    *,
    console: Console | None = None,
    say: Say = silent,
    command: str | None = None,
) -> Made:
    """Simulate a table of customers, make its look-alike, and leave both in ``folder``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "customers.csv"
    write_table(as_table(demo_table()), source)
    return make(source, force=True, console=console, say=say, command=command)
