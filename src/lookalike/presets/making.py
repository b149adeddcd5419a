"""A table file in; its look-alike, a report and a twin out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from lookalike import pipeline, preparing, splitting
from lookalike.demo import demo_table
from lookalike.errors import InputError, SchemaError
from lookalike.evaluate.figures import Thresholds
from lookalike.evaluate.prepare import scored
from lookalike.evaluate.utility import target_name
from lookalike.presets.budget import JUDGED_ROWS, report_seconds, training_minutes
from lookalike.presets.form import check_form
from lookalike.presets.places import Made, Places, Say, run_folder, silent
from lookalike.presets.request import Request
from lookalike.presets.require import Common, Setup, first_minutes, meet
from lookalike.presets.telling import describe, report_information, tell_begun, tell_learned, tell_training
from lookalike.refine import Filter, FilterSettings
from lookalike.report import Scorecard
from lookalike.rng import derive_seed, generator
from lookalike.run import CARD, Run
from lookalike.schema import Schema
from lookalike.table import Table, TableWriter, as_table, write_table
from lookalike.twin import Twin

QUICK_ROWS, QUICK_EPOCHS = 2_000, 20


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
    quick: bool = False,
    force: bool = False,
    resume: bool = False,
    escape_formulas: bool = False,
    console: Console | None = None,
    command: str | None = None,
    say: Say = silent,
    thresholds: Mapping[str, float] | None = None,
    filter: bool | None = None,
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
    quick
        A trial run in seconds: few rows, few epochs, marked as a trial; not under a privacy budget.
    force, resume
        Overwrite what an earlier run left; go on from its checkpoint.
    thresholds
        Limits that change the report's verdicts, as for :func:`lookalike.evaluate`.
    filter
        Draw rows again that are identical to a row learned from, too close to it or leaning on it.
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
    request = Request.of(
        preset,
        {"engine": engine, "seed": seed, "keep_back": keep_back, "minutes": minutes, "filter": filter, "raw": raw},
        settings,
        quick=quick,
        rows=rows,
        derive=derive,
        holdout=holdout,
        required=require,
        thresholds=thresholds,
    )
    places = Places.beside(source, None if out is None else Path(out), raw=request.raw)
    real = _read(source, request, schema=schema, drop=drop, keys=keys, target=target)
    places.check(force=force or resume, read=[source, holdout, schema], escape_formulas=escape_formulas)
    say("table", real.words, f"edit: lookalike schema {source}")
    all_rows = real.table.num_rows
    if quick:
        request, real = _in_short(request, real, say)
    reserve = report_seconds(real.table.num_rows, rows or all_rows, len(real.table.names))
    budget = first_minutes(request.run.minutes, require)
    left = training_minutes(budget, time.perf_counter() - start, reserve, first=bool(require))
    with run_folder(places.folder, resume) as folder:
        run = Run(folder, console=console, minutes=left, resume=resume)
        parts = _kept_back(request, real, run)
        tell_begun(say, parts, request.asked.engine)
        twin = _fitted(request, real, parts, run)
        tell_training(say, twin, run, request.asked.learning)
        tell_learned(say, twin, real.schema)
        # under a budget columns may be of other kinds than what is read off the rows exactly, and how many rows there are is noised
        parts, lost = splitting.as_learned(parts, twin.schema) if request.asked.private else (parts, [])
        for sentence in lost:
            say("note", sentence, "")
        settled = twin.schema if target is None else twin.schema.replace(target, role="target")
        count = rows or (twin.rows if request.asked.private else all_rows)
        job = Job(parts, settled, count, seed, request.limits, command, escape_formulas, start, say, lost)
        card = deliver(job, twin, places, run, request.filtering)
        made = Made(places.table, places.report, places.twin, places.folder, twin, card)
        return _met(request, made, job, console) if request.required else made


@dataclass(frozen=True)
class Real:
    """The real table, and what is known of its columns before a fit.

    Attributes
    ----------
    schema
        None under a privacy budget: the fit learns it.
    given
        What the fit is told of the columns, as its keywords.
    """

    name: str
    table: Table
    schema: Schema | None
    given: Mapping[str, Any]

    @property
    def words(self) -> str:
        kinds = "what they are is learned within the budget" if self.schema is None else describe(self.schema)
        columns = len(self.table.names)
        return f"{self.name}: {self.table.num_rows:,} rows × {columns} column{'s' * (columns > 1)}: {kinds}"


def _read(
    source: Path, request: Request, *, schema: Any, drop: Iterable[str], keys: Iterable[str], target: str | None
) -> Real:
    """Read the table and settle its schema; under a privacy budget only as far as that is public."""
    if not request.asked.private:
        table, settled = preparing.prepare(
            source, schema=schema, drop=drop, keys=keys, target=target, derive=request.derive
        )
        if target is not None:
            target_name(scored(settled), target)
        return Real(source.name, table, settled, {"schema": settled})
    # what is read off the rows would decide, uncharged, whether there is a table at all; the columns' kinds are learned by the fit
    table, declared = preparing.declared_publicly(source, schema=schema, drop=drop)
    if target is not None and target not in table.names:
        raise SchemaError(f"{target!r} is not a column of this table. Columns: {', '.join(table.names)}.")
    return Real(source.name, table, None, {"schema": declared, "keys": keys})


def _in_short(request: Request, real: Real, say: Say) -> tuple[Request, Real]:
    """A trial run: few rows, few epochs (of an engine that has epochs)."""
    if real.table.num_rows > QUICK_ROWS:
        rows = generator(request.run.seed, "quick").permutation(real.table.num_rows)[:QUICK_ROWS]
        real = replace(real, table=real.table.take(np.sort(rows)))
    told = f"{real.table.num_rows:,} rows"
    if request.asked.learning.heeds("epochs"):
        epochs = min(request.settings.get("epochs", QUICK_EPOCHS), QUICK_EPOCHS)
        request = replace(request, settings={**request.settings, "epochs": epochs})
        told += f" and {epochs} epochs"
    say("trial", f"{told}: see the shape of the result, do not use it", "drop --quick")
    return request, real


def _kept_back(request: Request, real: Real, run: Run) -> splitting.Split:
    """The rows to learn from, and those to measure with: a share of them, or a table of their own."""
    share, private = request.run.keep_back, request.asked.private
    if request.holdout is not None:
        parts = splitting.split_given(real.table, request.holdout, real.schema, request.derive, str(request.holdout))
        if private:  # a run that kept rows back cannot go on with all of them
            splitting.split_privately(real.table, 0, run)
        return parts
    if private:
        return splitting.split_privately(real.table, share, run)
    return splitting.split(real.table, share, request.run.seed)


def _fitted(request: Request, real: Real, parts: splitting.Split, run: Run) -> Twin:
    """Learn the table; the twin knows its name, whether that was a trial, and how many rows were kept back where that may be known."""
    asked = request.asked
    # keys that avoid others would tell of them
    avoid = None if asked.private else parts.holdout
    twin = pipeline.fit(
        parts.train, engine=asked.engine, seed=request.run.seed, avoid=avoid, run=run, **real.given, **request.settings
    )
    twin.information |= {"source": real.name, "trial": request.quick}
    if not asked.private:
        twin.information["kept_back"] = 0 if parts.holdout is None else parts.holdout.num_rows
    return twin


@dataclass(frozen=True)
class Job:
    """What stays the same whichever twin the rows come from."""

    parts: splitting.Split
    schema: Schema
    rows: int
    seed: int
    limits: Thresholds
    command: str | None
    escape_formulas: bool
    start: float
    say: Say
    notes: Sequence[str] = ()


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
    filter_ = None if filtering is None else twin.filter(job.parts.train, filtering)
    if places.raw is not None:
        write_rows(job, twin, places.raw, None, temperature)
        job.say("raw", f"{places.raw.name}: the same, before the filter", "")
    synthetic = write_rows(job, twin, places.table, filter_, temperature)
    job.say("sampling", f"{job.rows:,} rows", "--rows")
    if filter_ is not None:
        job.say("filter", filter_.words, "--set min_distance=…")
    card = pipeline.evaluate(
        job.parts.train,
        synthetic,
        holdout=job.parts.holdout,
        schema=job.schema,
        seed=job.seed,
        thresholds=job.limits,
        information=report_information(twin, job.command, time.perf_counter() - job.start, filter_, job.notes),
    )
    card.to_html(places.report)
    run.write_json(CARD, card.to_dict())
    run.log(f"report written to {places.report.name}")
    return card


def _met(request: Request, made: Made, job: Job, console: Console | None) -> Made:
    """What was made, or the best of further attempts, where it does not reach what is required."""
    setup = Setup(made.twin, request.asked.engine, request.settings, request.filtering)
    common = Common(
        job.parts,
        job.schema,
        job.seed,
        request.run.minutes,
        job.start,
        partial(deliver, job),
        job.say,
        console,
        request.raw,
    )
    return meet(made, setup, common, request.required)


def write_rows(job: Job, twin: Twin, path: Path, filter_: Filter | None, temperature: float) -> Table:
    """Write all rows to the file, in the form of the real table, and keep as many as the report looks at."""
    kept: list[pa.Table] = []
    form = job.parts.train.data.select([spec.name for spec in twin.schema.kept])
    seed = derive_seed(job.seed, "make")
    with TableWriter(path, twin.origin, escape_formulas=job.escape_formulas) as writer:
        for batch in twin.batches(job.rows, seed=seed, apart_from=filter_, temperature=temperature):
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
