"""Named runs, as plain functions: the default one (``make``), and what changes it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from lookalike import pipeline, registry
from lookalike.artefact import replacing
from lookalike.config import Settings
from lookalike.demo import demo_table
from lookalike.encode.base import EncoderSettings
from lookalike.errors import LookalikeWarning, OutputError, SettingsError
from lookalike.evaluate.verdicts import Thresholds, requirements, unmet
from lookalike.report import Scorecard
from lookalike.rng import derive_seed, generator
from lookalike.run import Run
from lookalike.sample import SamplingSettings, check_rows
from lookalike.schema import Schema
from lookalike.table import Table, TableWriter, as_table, check_suffix, write_table
from lookalike.twin import Twin

JUDGED_ROWS = 200_000
"""Sampled rows that the report looks at, at most: more would not move a figure."""
QUICK_ROWS, QUICK_EPOCHS = 2_000, 20
Say = Callable[[str, str, str], None]
"""Told (label, what was decided, which flag decides otherwise) as the run goes on."""


@dataclass(frozen=True)
class Places:
    """Where a run leaves its files."""

    table: Path
    report: Path
    twin: Path
    folder: Path

    @classmethod
    def beside(cls, source: Path, out: Path | None) -> Places:
        """``customers.csv`` → ``customers-lookalike.csv``, ``customers-lookalike.html``, ``customers.twin``; or around ``out``."""
        if out is None:
            table = source.with_name(f"{source.stem}-lookalike{source.suffix}")
            return cls(
                table, table.with_suffix(".html"), source.with_suffix(".twin"), table.with_name(f"{table.stem}-run")
            )
        return cls(out, out.with_suffix(".html"), out.with_suffix(".twin"), out.with_name(f"{out.stem}-run"))

    def check(self, *, force: bool, also: Iterable[Path] = ()) -> None:
        """Raise before any work if a file is in the way or cannot be written."""
        check_suffix(self.table)
        check_outputs([self.table, self.report, self.twin, *also], force=force)


@dataclass(frozen=True)
class Made:
    """What ``make`` made."""

    table: Path
    report: Path
    twin_file: Path
    folder: Path
    twin: Twin
    card: Scorecard


def check_outputs(paths: Iterable[Path], *, force: bool) -> None:
    """Raise before any work if a file is in the way or its folder cannot be written to."""
    for path in paths:
        if path.is_dir() or (path.exists() and not force):
            raise OutputError(
                f"a file of yours is never overwritten, however: {path} exists. Use --force, or another --out."
            )
        try:
            with replacing(path) as temporary:
                temporary.touch()
                raise _Enough
        except _Enough:
            pass
        except OSError as error:
            raise OutputError(
                f"{path} must be writable, however: {error.strerror or error}. Choose another place with --out."
            ) from None


class _Enough(Exception):
    """Leaves ``replacing`` without replacing."""


def quick(table: Table, settings: dict[str, Any], known: Mapping[str, Any], seed: int) -> tuple[Table, dict[str, Any]]:
    """A trial run: few rows, few epochs (of an engine that has epochs), the same files."""
    if table.num_rows > QUICK_ROWS:
        rows = generator(seed, "quick").permutation(table.num_rows)[:QUICK_ROWS]
        table = table.take(np.sort(rows))
    if "epochs" in known:
        settings = {**settings, "epochs": min(settings.get("epochs", QUICK_EPOCHS), QUICK_EPOCHS)}
    return table, settings


def make(
    source: str | Path,
    *,
    out: str | Path | None = None,
    rows: int | None = None,
    engine: str = "auto",
    schema: Any = None,
    drop: Iterable[str] = (),
    keys: Iterable[str] = (),
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
    say: Say = lambda label, text, other: None,
    thresholds: Mapping[str, float] | None = None,
    **settings: Any,
) -> Made:
    """A table file in; its look-alike, a report and a twin out.

    Parameters
    ----------
    out
        Where the look-alike goes (``<source>-lookalike.csv`` when left out); report and run folder stand beside it.
    rows
        How many rows; as many as the source has when left out.
    holdout
        A file of real rows to measure with, instead of keeping back a share ``keep_back`` of the source.
    trial
        A trial run in seconds: few rows, few epochs, marked as a trial.
    force, resume
        Overwrite what an earlier run left; go on from its checkpoint.
    thresholds
        Limits that change the report's verdicts, as for :func:`lookalike.evaluate`.
    **settings
        As for :func:`lookalike.fit`.
    """
    source = Path(source)
    start = time.perf_counter()
    run_settings = pipeline.RunSettings.build(
        {"engine": engine, "seed": seed, "keep_back": keep_back, "minutes": minutes}
    )
    known = registry.load(registry.ENGINES, engine, "engine").Settings
    pipeline.route(settings, known)
    limits = Thresholds.build(thresholds or {})
    if rows is not None:
        check_rows(rows)
    places = Places.beside(source, None if out is None else Path(out))
    table, settled = pipeline.prepare(source, schema=schema, drop=drop, keys=keys, target=target)
    places.check(force=force or resume)
    say(
        "table",
        f"{source.name}: {table.num_rows:,} rows × {len(table.names)} columns: {describe(settled)}",
        f"edit: lookalike schema {source}",
    )
    asked_rows = table.num_rows if rows is None else rows
    if trial:
        table, settings = quick(table, settings, known.model_fields, seed)
        epochs = f" and {settings['epochs']} epochs" if "epochs" in settings else ""
        say(
            "trial",
            f"{table.num_rows:,} rows{epochs}: see the shape of the result, do not use it",
            "drop --quick",
        )
    if holdout is not None:
        parts = pipeline.Split(
            table, as_table(holdout), f"{holdout}: the yardstick; all rows of {source.name} are learned from"
        )
    else:
        parts = pipeline.split(table, run_settings.keep_back, seed)
    say("kept back", parts.words, "--keep-back, --holdout")
    say("engine", engine, "--engine " + "|".join(name for name in registry.ENGINES if name != engine))

    reserve = report_seconds(table.num_rows, min(asked_rows, JUDGED_ROWS), len(table.names))
    spent = time.perf_counter() - start
    run = Run(
        _folder(places.folder, resume),
        console=console,
        minutes=training_minutes(minutes, spent, reserve),
        resume=resume,
    )
    twin = pipeline.fit(parts.train, engine=engine, schema=settled, seed=seed, avoid=parts.holdout, run=run, **settings)
    twin.information |= {
        "source": source.name,
        "trial": trial,
        "kept_back": 0 if parts.holdout is None else parts.holdout.num_rows,
    }
    how = "interrupted; the best state so far was kept (go on: --resume)" if run.interrupted else twin.effort
    say("training", f"{how}, {twin.information['seconds']:.1f} s", "--epochs, --minutes")
    if twin.why is not None:
        say("picked", f"{twin.picked}: {twin.why}", f"--engine {twin.picked}")
    twin.save(places.twin)

    fake = _sample(twin, places.table, asked_rows, derive_seed(seed, "make"), escape_formulas)
    say("sampling", f"{asked_rows:,} rows", "--rows")
    information = report_information(twin, command, seconds=time.perf_counter() - start)
    card = pipeline.evaluate(
        parts.train,
        fake,
        holdout=parts.holdout,
        schema=settled,
        seed=seed,
        thresholds=limits,
        information=information,
    )
    card.to_html(places.report)
    run.write_json("scorecard.json", card.to_dict())
    run.log(f"report written to {places.report.name}")
    return Made(places.table, places.report, places.twin, places.folder, twin, card)


SECONDS_A_CELL, SECONDS_AT_LEAST = 1.0e-5, 10.0
"""What starting, sampling and the report take on two cores, page and utility included: adult 24,395 × 15 thirteen seconds."""


def report_seconds(rows: int, made: int, columns: int) -> float:
    """Return about how long it takes to draw and judge so many rows."""
    return SECONDS_AT_LEAST + SECONDS_A_CELL * max(rows, made) * columns


def training_minutes(minutes: float | None, spent: float, reserve: float) -> float | None:
    """Return what a budget of ``minutes`` leaves for training when ``spent`` seconds are gone and the report takes about
    ``reserve`` seconds; at least a quarter of the budget, with a warning that it cannot hold.

    >>> training_minutes(2, 6, 30)
    1.4
    """
    if minutes is None:
        return None
    left = minutes - (spent + reserve) / 60
    if left < minutes / 4:
        warnings.warn(
            f"a time budget holds reading, training and the report, however: {minutes:g} minutes, of which reading took {spent:.0f} s and the "
            f"report may take {reserve:.0f} s. Training gets a quarter of it; give more, or make fewer rows.",
            LookalikeWarning,
            stacklevel=3,
        )
        return minutes / 4
    return left


@dataclass(frozen=True)
class Judged:
    """What ``judge`` found: the card, the files it left, and one sentence for each requirement that is not met."""

    card: Scorecard
    files: list[Path]
    unmet: list[str]


def judge(
    real: str | Path,
    fake: str | Path,
    *,
    holdout: str | Path | None = None,
    schema: Any = None,
    target: str | None = None,
    out: str | Path | None = None,
    fail_under: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    seed: int = 0,
    force: bool = False,
    command: str | None = None,
) -> Judged:
    """Judge a synthetic file, made by any tool, and leave the report and its figures.

    Parameters
    ----------
    out
        ``report.html`` leaves the page and ``report.json`` beside it; ``report.json`` leaves the figures alone.
    fail_under
        What the table must reach, ``"accuracy=0.95,dcr_share=0.52"``: the figures and directions are those of
        ``docs/scorecard.md``. The value alone decides, and a figure that is missing is not met.
    thresholds
        Limits behind the verdicts; those of ``fail_under`` go before them.

    Raises
    ------
    SettingsError, OutputError
        Before any work.
    """
    required = {} if fail_under is None else requirements(fail_under)
    limits = Thresholds.build({**(thresholds or {}), **required})
    files = [] if out is None else _reports(Path(out))
    check_outputs(files, force=force)
    card = pipeline.evaluate(
        real,
        fake,
        holdout=holdout,
        schema=schema,
        target=target,
        seed=seed,
        thresholds=limits,
        information={"command": command},
    )
    for path in files:
        (card.to_json if path.suffix.lower() == ".json" else card.to_html)(path)
    return Judged(card, files, unmet(card.to_dict(), required))


def _reports(out: Path) -> list[Path]:
    if out.suffix.lower() not in (".html", ".json"):
        raise SettingsError(f"a report ends in .html or .json, however: --out {out}.")
    return [out] if out.suffix.lower() == ".json" else [out, out.with_suffix(".json")]


def fit_to(
    source: str | Path,
    out: str | Path,
    *,
    force: bool = False,
    resume: bool = False,
    minutes: float | None = None,
    console: Console | None = None,
    say: Say = lambda label, text, other: None,
    keep_back: float = 0.0,
    seed: int = 0,
    **settings: Any,
) -> Twin:
    """Fit a table file and save the twin; log, losses and checkpoint stand in ``<out>-run``.

    All rows are learned from, unless ``keep_back`` says otherwise; then those kept back are the ones that :func:`make`
    would keep back with the same seed.
    """
    out = Path(out)
    table = as_table(source)
    check_outputs([out], force=force or resume)
    run = Run(_folder(out.with_name(f"{out.stem}-run"), resume), console=console, minutes=minutes, resume=resume)
    parts = pipeline.split(table, keep_back, seed)
    if keep_back:
        say("kept back", parts.words, "--config")
    twin = pipeline.fit(parts.train, avoid=parts.holdout, run=run, seed=seed, **settings)
    twin.information |= {"source": Path(source).name}
    twin.save(out)
    return twin


def fill(
    twin: str | Path,
    source: str | Path,
    out: str | Path,
    *,
    complete: bool = False,
    seed: int = 0,
    force: bool = False,
    escape_formulas: bool = False,
) -> int:
    """Impute a table file (or draw the columns it lacks) into another; return how many cells were drawn."""
    out = Path(out)
    check_suffix(out)
    check_outputs([out], force=force)
    fitted, table = Twin.load(twin), as_table(source)
    done = (fitted.complete_table if complete else fitted.impute_table)(table, seed=seed)
    with TableWriter(out, done.origin, escape_formulas=escape_formulas) as writer:
        writer.write(done)
    gaps = sum(column.null_count for column in table.data.columns)
    left = sum(column.null_count for column in done.data.columns if complete is False)
    lacking = len(done.names) - len(table.names)
    return lacking * table.num_rows if complete else gaps - left


def demo(
    folder: str | Path,
    *,
    console: Console | None = None,
    say: Say = lambda label, text, other: None,
    command: str | None = None,
) -> Made:
    """Simulate a table of customers, make its look-alike, and leave both in ``folder``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "customers.csv"
    write_table(as_table(demo_table()), source)
    return make(source, force=True, console=console, say=say, command=command)


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


def report_information(twin: Twin, command: str | None, seconds: float) -> dict[str, Any]:
    """What the report says about the run."""
    known = twin.information
    return {
        "title": known["source"],
        "trial": known["trial"],
        "command": command,
        "engine": twin.picked,
        "losses": twin.losses.to_dict("records"),
        "notes": ["Training was interrupted; this is the best state it had reached."] if known["interrupted"] else [],
        "settings": {twin.engine: known["settings"], "encoder": known["encoder"], **known["notes"]},
        "seeds": {"run": known["seed"]},
        "versions": known["versions"],
        "timings": {"training": known["seconds"], "total": round(seconds, 3)},
    }


def _folder(folder: Path, resume: bool) -> Path:
    """A fresh run folder, or the one to go on in; only files that a run writes are ever removed."""
    if resume and not (folder / "checkpoint.twin").exists():
        raise OutputError(f"--resume needs a checkpoint, however: {folder} has none. Start without --resume.")
    if not resume and folder.is_dir():
        for name in ("log.txt", "losses.csv", "checkpoint.twin", "run.json", "scorecard.json"):
            (folder / name).unlink(missing_ok=True)
    return folder


def _sample(twin: Twin, path: Path, rows: int, seed: int, escape_formulas: bool) -> Table:
    """Write all rows to the file, and keep as many as the report looks at."""
    kept: list[pa.Table] = []
    with TableWriter(path, twin.origin, escape_formulas=escape_formulas) as writer:
        for batch in twin.batches(rows, seed=seed):
            writer.write(batch)
            if sum(table.num_rows for table in kept) < JUDGED_ROWS:
                kept.append(batch.data)
    return Table(pa.concat_tables(kept), twin.origin)


def settings_sections() -> Mapping[str, type[Settings]]:
    """Every settings class by the name of its table in ``lookalike.toml``."""
    engines = {name: registry.load(registry.ENGINES, name, "engine").Settings for name in registry.ENGINES}
    return {
        "run": pipeline.RunSettings,
        "encoder": EncoderSettings,
        "sampling": SamplingSettings,
        **engines,
        "thresholds": Thresholds,
    }


def settings_from(sections: Mapping[str, Mapping[str, Any]], engine: str) -> dict[str, Any]:
    """The settings of a read ``lookalike.toml`` that concern ``engine``, as keywords of :func:`make`."""
    chosen: dict[str, Any] = {}
    for title in ("run", "encoder", "sampling", engine):
        chosen |= sections.get(title, {})
    return chosen
