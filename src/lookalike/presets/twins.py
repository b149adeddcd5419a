"""Learn a table file into a twin, and fill the gaps of a table with one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from lookalike import pipeline, routing, splitting
from lookalike.encode.holes import gaps
from lookalike.errors import SettingsError
from lookalike.presets.places import Say, check_begun, check_outputs, cut_short, run_folder, silent
from lookalike.refine import Filter, FilterSettings
from lookalike.run import Run
from lookalike.table import TableWriter, as_table, check_suffix
from lookalike.twin import Twin


def fit_to(
    source: str | Path,
    out: str | Path,
    *,
    force: bool = False,
    resume: bool = False,
    minutes: float | None = None,
    console: Console | None = None,
    say: Say = silent,
    keep_back: float = 0.0,
    seed: int = 0,
    engine: str = "auto",
    schema: Any = None,
    drop: Iterable[str] = (),
    keys: Iterable[str] = (),
    derive: Mapping[str, str] | None = None,
    **settings: Any,
) -> Twin:
    """Fit a table file and save the twin; log, losses and checkpoint stand in ``<out>-run``.

    All rows are learned from, unless ``keep_back`` says otherwise; then those kept back are the ones that :func:`make`
    would keep back with the same seed; under a privacy budget each row by a coin of its own.
    """
    out = Path(out)
    pipeline.RunSettings.build({"engine": engine, "seed": seed, "keep_back": keep_back, "minutes": minutes})
    table = as_table(source)
    place = out.with_name(f"{out.stem}-run")
    check_begun(place, force=force or resume)
    check_outputs([out], force=force or resume, read=[source, schema])
    with run_folder(place, resume) as folder:
        run = Run(folder, console=console, minutes=minutes, resume=resume)
        private = routing.route(engine, settings).private
        parts = splitting.split_privately(table, keep_back, run) if private else splitting.split(table, keep_back, seed)
        if keep_back:
            say("kept back", parts.words, "--config")
        avoid = None if private else parts.holdout
        columns = {"schema": schema, "drop": drop, "keys": keys, "derive": derive}
        twin = pipeline.fit(parts.train, engine=engine, avoid=avoid, run=run, seed=seed, **columns, **settings)
        if run.interrupted:
            say("training", cut_short(run), "")
        twin.information |= {"source": Path(source).name}
        twin.save(out)
        return twin


def filter_from(twin: Twin, real: str | Path | None, settings: Mapping[str, Any]) -> Filter | None:
    """What keeps rows of a twin apart from those of a file; None where none is named."""
    if real is None:
        if settings:
            raise SettingsError(
                f"{', '.join(settings)}: settings of the filter need rows to stay apart from, however: there are none. Add --apart-from FILE."
            )
        return None
    return twin.filter(as_table(real), FilterSettings.build(settings))


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
    check_suffix(out, escape_formulas=escape_formulas)
    check_outputs([out], force=force, read=[twin, source])
    fitted, table = Twin.load(twin), as_table(source)
    done = (fitted.complete_table if complete else fitted.impute_table)(table, seed=seed)
    with TableWriter(out, done.origin, escape_formulas=escape_formulas) as writer:
        writer.write(done)
    lacking = len(done.names) - len(table.names)
    return lacking * table.num_rows if complete else gaps(fitted.encoder, table.data) - gaps(fitted.encoder, done.data)
