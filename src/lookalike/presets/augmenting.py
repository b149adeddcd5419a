"""Real rows, and rows made for their rare classes: one table, and what it is worth to a model."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from lookalike import pipeline, preparing, routing, splitting
from lookalike.artefact import replacing
from lookalike.encode.ties.entities import renewed
from lookalike.errors import LookalikeWarning, PrivacyError, SettingsError
from lookalike.evaluate.augmentation import augmentation, nothing
from lookalike.evaluate.prepare import prepare
from lookalike.presets.budget import measuring_seconds, training_minutes
from lookalike.presets.places import Places, Say, check_begun, check_outputs, run_folder, silent
from lookalike.presets.telling import tell_tempered, tell_training
from lookalike.refine.balance import check_origin_column, class_counts, join, lacking
from lookalike.report import augmented
from lookalike.rng import derive_seed
from lookalike.run import Run, terminal
from lookalike.sample import check_temperature
from lookalike.schema import Schema
from lookalike.table import Table, check_suffix, to_native, write_table
from lookalike.twin import Twin

ORIGIN_COLUMN = "origin"
CLASSES = ("category", "ordinal", "boolean")
"""Kinds of a target whose values are classes as they are; numbers of few values become a category."""


@dataclass(frozen=True)
class Augmented:
    """What ``augment`` made.

    Attributes
    ----------
    rows
        Real rows as they are, then the made ones, and the column that tells them apart.
    added
        Rows that were made, by class.
    figures
        What they are worth, on real rows that nobody saw; see :func:`lookalike.evaluate.augmentation.augmentation`.
    twin
        The fitted look-alike, to draw more from.
    """

    rows: Table
    added: dict[str, int]
    figures: dict[str, Any]
    twin: Twin
    files: list[Path] = field(default_factory=list)

    @property
    def table(self) -> Any:
        """The rows as the same kind of frame that was given (pyarrow where that was a file)."""
        return to_native(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Figures, and how many rows were made for each class; ready for JSON."""
        return {"added": self.added, **self.figures}

    def __str__(self) -> str:
        return augmented.text(self.figures)


def augment(
    data: Any,
    *,
    target: str,
    balance: bool | None = None,
    share: float | None = None,
    counts: Mapping[Any, int] | None = None,
    holdout: Any = None,
    keep_back: float = 0.1,
    origin_column: str | None = ORIGIN_COLUMN,
    engine: str = "auto",
    schema: Any = None,
    drop: Iterable[str] = (),
    keys: Iterable[str] = (),
    derive: Mapping[str, str] | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    minutes: float | None = None,
    say: Say = silent,
    run: Run | None = None,
    twin_file: Path | None = None,
    **settings: Any,
) -> Augmented:
    """Fill up the rare classes of a table with made rows, and measure what that is worth.

    The result holds your real rows: it is as private as they are. Its rows are numbered anew, also those of a frame with an index.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow frame, or a path to a CSV or Parquet file.
    target
        The column that holds the classes.
    balance
        Whether every class is filled up; yes, unless only ``counts`` are given. Halfway, in proportion, unless ``share`` says
        otherwise: classes that are made equal are found too often by a model (``docs/augmentation.md``).
    share
        Fill up to this share of the largest class; 1 makes all classes equal.
    counts
        How many rows a class is to have in all, real ones included: ``{"ill": 5000}``.
    holdout
        Real rows to measure with, instead of keeping back a share ``keep_back`` of the table. Rows that are kept back are
        hidden from the engine, but come back in the result with all other real rows.
    origin_column
        The column that tells where a row comes from, ``real`` or ``synthetic``; None leaves it out.
    temperature
        Below 1 the made rows are more typical of their class. As for :meth:`Twin.sample`; in the place of ``auto``, which may pick
        trees, it takes the net.
    minutes
        Time budget for all of it, the measuring included.
    twin_file
        Where the twin is saved as soon as it is fitted: the measuring may take longer than the training.
    engine, schema, drop, keys, derive, seed, run, **settings
        As for :func:`lookalike.fit`.

    Raises
    ------
    SettingsError
        The target has no classes, a count cannot be met, no class lacks rows, or a column has the name of the origin's: before
        training starts.
    PrivacyError
        A privacy budget is given: real rows cannot be part of what it protects.
    InputError, SchemaError, TrainingError, SamplingError
        As for :func:`lookalike.fit` and :meth:`Twin.sample`.

    >>> import lookalike, pyarrow as pa
    >>> table = pa.table({"ill": ["no"] * 180 + ["yes"] * 20, "age": [i % 50 for i in range(200)]})
    >>> made = lookalike.augment(table, target="ill", counts={"yes": 60}, engine="copula", run=lookalike.Run())
    >>> made.added, made.table.num_rows
    ({'yes': 40}, 240)
    """
    start = time.perf_counter()
    run_settings = pipeline.RunSettings.build(
        {"engine": engine, "seed": seed, "keep_back": keep_back, "minutes": minutes}
    )
    run_settings.check_yardstick(holdout)
    asked = _asked(engine, settings, temperature)
    if asked.engine != engine:
        tell_tempered(say, asked.engine)
    table, settled = preparing.prepare(data, schema=schema, drop=drop, keys=keys, target=target, derive=derive)
    settled = _with_classes(settled, target)
    if origin_column is not None:
        check_origin_column(origin_column, table.names)
    if holdout is None:
        parts = splitting.split(table, run_settings.keep_back, seed, classes=target)
    else:
        parts = splitting.split_given(table, holdout, settled, derive or {}, "rows of a table of their own")
    if balance is None:
        balance = counts is None or share is not None
    lack = Lack.of(
        table,
        settled,
        target,
        parts,
        balance=balance,
        share=share,
        counts=counts,
        fewest=asked.encoding.rare_rows,
    )
    lack.tell(say)
    reserve = measuring_seconds(table.num_rows + lack.rows, len(table.names), len(lack.classes))
    left = training_minutes(minutes, time.perf_counter() - start, reserve)
    run = run if run is not None else Run(console=terminal())
    twin = pipeline.fit(
        parts.train, engine=asked.engine, schema=settled, seed=seed, minutes=left, avoid=table, run=run, **settings
    )
    if twin_file is not None:
        twin.save(twin_file)
    tell_training(say, twin, run, asked.learning)
    synthetic = lack.filled(twin, seed, temperature)
    rows = join(table, _with_new_keys(synthetic, table.data, twin, seed), origin_column)
    return Augmented(rows, lack.added, lack.measured(synthetic, seed), twin)


def _asked(engine: str, settings: Mapping[str, Any], temperature: float) -> routing.Asked:
    """What was asked of the fit, with the net in the place of ``auto`` where a temperature was asked for; raise for what makes no sense
    beside real rows, or of rare classes."""
    asked = routing.route("autoregressive" if engine == "auto" and temperature != 1 else engine, settings)
    if asked.private:
        raise PrivacyError(
            "a privacy budget is for tables without real rows, however: augment gives yours back beside the made ones. Leave epsilon "
            "out, or draw made rows alone (lookalike make --epsilon, then lookalike sample --where)."
        )
    if asked.calibrating.calibrate:
        raise SettingsError(
            "calibration holds to the table's own shares, however: augment draws the rows of rare classes. Leave calibrate out."
        )
    check_temperature(asked.kind.tempers(asked.learning), temperature)
    return asked


@dataclass(frozen=True)
class Lack:
    """What the classes of a table lack.

    Attributes
    ----------
    parts
        Rows to learn from, and rows to measure with.
    classes, learned, added
        Rows by class: all real ones, those to learn from, and those to be made.
    """

    schema: Schema
    target: str
    parts: splitting.Split
    classes: dict[str, int]
    learned: dict[str, int]
    added: dict[str, int]

    @classmethod
    def of(
        cls,
        table: Table,
        schema: Schema,
        target: str,
        parts: splitting.Split,
        *,
        balance: bool,
        share: float | None,
        counts: Mapping[Any, int] | None,
        fewest: int,
    ) -> Lack:
        """Count the classes, and how many rows each is to be given; classes of fewer than ``fewest`` learned rows are left as they are."""
        classes, learned = (
            class_counts(side.data[target], target, schema[target].missing_text) for side in (table, parts.train)
        )
        added = lacking(classes, balance=balance, share=share, counts=counts, learned=learned, fewest=fewest)
        small = [name for name in classes if balance and learned.get(name, 0) < fewest]
        if small:
            warnings.warn(
                f"a class needs {fewest} rows to be learned from, however: {len(small)} classes of {target!r} have fewer and are left as they are.",
                LookalikeWarning,
                stacklevel=3,
            )
        if not added:
            raise SettingsError(
                f"augmenting needs a class that lacks rows, however: those of {target!r} need none. Ask for more with counts (--count)."
            )
        return cls(schema, target, parts, classes, learned, added)

    @property
    def rows(self) -> int:
        """How many rows are to be made."""
        return sum(self.added.values())

    def tell(self, say: Say) -> None:
        """Say which classes there are, what is made of each, and what it is measured with."""
        say("classes", ", ".join(f"{name} {rows:,}" for name, rows in self.classes.items()), "--target")
        say("made", ", ".join(f"{name} +{rows:,}" for name, rows in self.added.items()), "--share, --count")
        say("kept back", self.parts.words, "--keep-back, --holdout")

    def filled(self, twin: Twin, seed: int, temperature: float) -> pa.Table:
        """Draw the rows that each class lacks, class after class."""
        return twin.sample_each(
            list(self.added.values()),
            [{self.target: name} for name in self.added],
            seed=derive_seed(seed, "augment"),
            temperature=temperature,
        ).data

    def measured(self, synthetic: pa.Table, seed: int) -> dict[str, Any]:
        """What they are worth to a model that learns from the engine's rows: of each class as many as that part of its real rows asks for."""
        if self.parts.holdout is None:
            return nothing(self.target, f"kept back were {self.parts.words}")
        given, start = [], 0
        for name, rows in self.added.items():
            given.append(synthetic.slice(start, round(rows * self.learned[name] / self.classes[name])))
            start += rows
        sides = {
            "real": self.parts.train.data,
            "synthetic": pa.concat_tables(given),
            "holdout": self.parts.holdout.data,
        }
        return augmentation(prepare(sides, self.schema), self.target, seed)


def _with_classes(schema: Schema, target: str) -> Schema:
    """The schema, with the target's values as labels."""
    kind = schema[target].kind
    if kind in CLASSES:
        return schema
    if kind not in ("integer", "float"):
        raise SettingsError(
            f"a target holds classes, however: column {target!r} is taken for a {kind}. Name another, or correct the schema."
        )
    return schema.replace(target, kind="category", decimals=None, step=1, minimum=None, maximum=None)


def _with_new_keys(synthetic: pa.Table, real: pa.Table, twin: Twin, seed: int) -> pa.Table:
    """Keys that no real row has: a serial number goes on where the real ones end."""
    joining = {entity.key for entity in twin.encoder.ties.entities}
    streams = twin.encoder.keys.streams(derive_seed(seed, "augment", "keys"))
    for name, stream in streams.items():
        own, field = real[name].combine_chunks(), synthetic.schema.field(name)
        if name in joining:
            keys = renewed(synthetic[name], partial(_unused, stream.distinct, own))
        else:
            keys = _unused(stream.take, own, synthetic.num_rows)
        synthetic = synthetic.set_column(synthetic.column_names.index(name), field, keys.cast(field.type))
    return twin.encoder.keys.referred(synthetic, streams)


def _unused(take: Callable[[int], pa.Array], real: pa.Array, count: int) -> pa.Array:
    """So many keys that are no real ones."""
    found, missing, draw = [], count, count
    while missing > 0:
        cells = take(draw)
        new = cells.filter(pc.invert(pc.is_in(cells, real.cast(cells.type))))[:missing]
        draw = missing - len(new) if len(new) else 2 * draw
        missing -= len(new)
        found.append(new)
    return pa.concat_arrays(found) if found else take(0)


def augment_to(
    source: str | Path,
    *,
    out: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    escape_formulas: bool = False,
    console: Console | None = None,
    **how: Any,
) -> Augmented:
    """As :func:`augment`, from a file to files: the table (``<source>-hybrid.csv`` when left out), its figures as JSON and the
    twin beside it; log, losses and checkpoint in a run folder."""
    source = Path(source)
    places = Places.beside(
        source, source.with_name(f"{source.stem}-hybrid{source.suffix}") if out is None else Path(out)
    )
    figures = places.table.with_suffix(".json")
    check_suffix(places.table, escape_formulas=escape_formulas)
    check_begun(places.folder, force=force or resume)
    outputs = [places.table, places.twin, figures]
    check_outputs(outputs, force=force or resume, read=[source, how.get("holdout"), how.get("schema")])
    with run_folder(places.folder, resume) as folder:
        run = Run(folder, console=console, resume=resume)
        found = augment(source, run=run, twin_file=places.twin, **how)
        write_table(found.rows, places.table, escape_formulas=escape_formulas)
        with replacing(figures) as temporary:
            temporary.write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return replace(found, files=[places.table, figures, places.twin])
