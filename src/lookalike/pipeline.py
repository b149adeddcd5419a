"""The whole flow on one screen: table → schema → encode → model → sample → refine → evaluate → report."""

from __future__ import annotations

import json
import platform
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from lookalike import registry
from lookalike.config import Settings
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder, refuse
from lookalike.encode.missing import treat_missing
from lookalike.errors import InputError, LookalikeWarning, PrivacyError, SchemaError, SettingsError
from lookalike.evaluate.scorecard import score
from lookalike.evaluate.verdicts import Thresholds
from lookalike.ledger import Budget, Ledger, PrivacySettings, default_delta
from lookalike.model.base import Generator
from lookalike.model.device import threads
from lookalike.refine import Calibration, CalibrationSettings
from lookalike.refine.calibrate import check as check_calibration
from lookalike.report import Scorecard
from lookalike.rng import derive_seed, generator
from lookalike.run import Run, terminal
from lookalike.sample import SamplingSettings
from lookalike.schema import ColumnSpec, EncodedTable, Schema
from lookalike.schema.breaches import Rows, set_aside
from lookalike.schema.expression import Expression
from lookalike.schema.infer import infer_schema
from lookalike.schema.public import as_declared, bounded, public_schema
from lookalike.schema.sdv import is_sdv, read_sdv
from lookalike.schema.types import in_type
from lookalike.table import Table, as_table
from lookalike.twin import Twin

FEWEST_ROWS_TO_SPLIT = 50
"""In a smaller table every row is needed, and a tenth of it would measure nothing."""


class RunSettings(Settings):
    """What a run does; the engine's own settings stand in its table."""

    engine: str = Field("auto", description="which engine: " + ", ".join(registry.ENGINES))
    seed: int = Field(0, ge=0, description="the same seed gives the same rows")
    keep_back: float = Field(0.1, ge=0, lt=1, description="share of rows that no engine sees, as the yardstick")
    minutes: float | None = Field(None, gt=0, description="time budget for the whole run, report included")
    apart: bool = Field(False, description="draw rows again that are too near to a row learned from (see [filter])")


@dataclass(frozen=True)
class Split:
    """Rows to learn from, and rows kept back to measure with."""

    train: Table
    holdout: Table | None
    words: str


def prepare(
    data: Any,
    *,
    schema: Any = None,
    drop: Iterable[str] = (),
    keys: Iterable[str] = (),
    target: str | None = None,
    derive: Mapping[str, str] | None = None,
) -> tuple[Table, Schema]:
    """Read a table and settle its schema: what was declared, inferred for the rest.

    ``schema`` is a :class:`Schema`, a dict, or a path to JSON, ours or SDV's. ``keys`` are columns to make up anew
    instead of modelling. ``derive`` names new columns, computed before anything else: ``{"rich": "income == '>50K'"}``.
    """
    table = derived(as_table(data), derive or {})
    drop = list(drop)
    if drop:
        table = table.drop(drop)
        if not table.names:
            raise InputError("a table needs at least one column, however: all were dropped.")
    declared = _declared(schema, table)
    if declared is not None:
        unknown = [
            spec.name
            for spec in declared
            if spec.name not in table.names and spec.role != "drop" and spec.name not in drop
        ]
        if unknown:
            raise SchemaError(
                f"the schema must describe this table, however: it names {', '.join(map(repr, unknown))}, which the table lacks."
            )
        declared = declared.only(table.names)
    settled = infer_schema(table.data, declared)
    for name in keys:
        settled = settled.replace(name, kind="key")
    if target is not None:
        settled = settled.replace(target, role="target")
    for spec in settled.kept:
        refuse(spec)
    return table, settled


def derived(table: Table, expressions: Mapping[str, str]) -> Table:
    """The table with new columns, each computed from those before it.

    >>> derived(as_table(pa.table({"age": [17, 30]})), {"adult": "age >= 18"}).data["adult"].to_pylist()
    [False, True]
    """
    for name, text in expressions.items():
        if name in table.names:
            raise SettingsError(
                f"a derived column is a new one, however: {name!r} is there already. Name it otherwise."
            )
        expression = Expression(text)
        for source in expression.names:
            if source not in table.names:
                known = ", ".join(table.names)
                raise SettingsError(f"{name!r} is derived from columns, however: {source!r} is none. Columns: {known}.")
        needed = infer_schema(table.data.select(expression.names))
        table = table.append(name, Rows(table.data, needed).compute(expression))
    return table


def imputed(table: Table, schema: Schema, settings: EncoderSettings) -> Table:
    """The table without the missing cells that are not to be modelled."""
    data = treat_missing(table.data, schema, settings)
    return table if data is table.data else Table(data, table.origin)


def learnable(table: Table, schema: Schema) -> Table:
    """The rows that keep the declared constraints; how many do not is said."""
    fits = set_aside(table.data, schema)
    return table if fits.all() else table.take(np.flatnonzero(fits))


def prepare_privately(
    data: Any, privacy: PrivacySettings, *, schema: Any = None, drop: Iterable[str] = (), keys: Iterable[str] = ()
) -> tuple[Table, Schema, Ledger]:
    """As :func:`prepare`, within a privacy budget: kinds come from storage types, from what is declared, or from noised votes."""
    table = as_table(data)
    table = table.drop(list(drop))
    declared = _declared(schema, table, looking=False)
    if declared is not None and declared.constraints:
        raise PrivacyError(
            "under --epsilon nothing looks at rows uncharged, however: the schema declares constraints, which are held against them. "
            "Leave the constraints out."
        )
    delta = privacy.delta or (default_delta(table.num_rows) if privacy.public_rows else 1e-5)
    if delta * table.num_rows >= 1:
        warnings.warn(
            f"δ should lie well below one in the number of rows, however: delta={delta:g} does not. Lower it (--delta).",
            LookalikeWarning,
            stacklevel=3,
        )
    ledger = Ledger(
        Budget.build({"epsilon": privacy.epsilon, "delta": delta}),
        rows_per_subject=privacy.rows_per_subject,
        subject=privacy.subject,
        rows_are_public=privacy.public_rows,
    )
    made_up = dict.fromkeys([*keys, *([privacy.subject] if privacy.subject is not None else [])])
    for name in made_up:
        if name not in table.names:
            raise SchemaError(f"{name!r} is not a column of this table. Columns: {', '.join(table.names)}.")
    if privacy.subject is not None:
        table = Table(bounded(table.data, privacy.subject, privacy.rows_per_subject), table.origin)
    given = {spec.name: spec for spec in declared or ()}
    for name in made_up:
        base = given.get(name) or ColumnSpec(name=name, kind="key", storage=str(table.data.schema.field(name).type))
        given[name] = base.replace(kind="key")
    settled = public_schema(table.data, Schema(list(given.values())) if given else None, ledger)
    return Table(as_declared(table.data, settled), table.origin), settled, ledger


def private_engine(engine: str, settings: Mapping[str, Any]) -> str:
    """The engine itself, or where none is named under a budget, the strongest for it."""
    return "marginals" if engine == "auto" and settings.get("epsilon") is not None else engine


def refuse_unpaid(kind: Any, engine: str, calibrating: CalibrationSettings, encoding: EncoderSettings) -> None:
    """Raise for what would look at rows outside the budget."""
    if not kind.takes_ledger:
        able = [name for name in registry.ENGINES if registry.load(registry.ENGINES, name, "engine").takes_ledger]
        raise PrivacyError(
            f"under --epsilon an engine writes what it spends in the ledger, however: engine={engine!r} does not. Use {' or '.join(able)}."
        )
    if calibrating.calibrate:
        raise PrivacyError(
            "under --epsilon nothing looks at rows uncharged, however: calibrate=True rakes to their exact counts. Leave it out: the engine "
            "marginals is fitted to noised ones."
        )
    if encoding.missing != "model":
        raise PrivacyError(
            f"under --epsilon nothing looks at rows uncharged, however: missing={encoding.missing!r} does. Model what is missing."
        )
    if encoding.intervals == "modes" or encoding.outliers != "keep":
        raise PrivacyError(
            "under --epsilon numbers are cut into bins of noisy counts, however: modes or a treatment of outliers were asked for. Leave "
            "intervals and outliers as they are; declare minimum and maximum in the schema instead."
        )


def _declared(schema: Any, table: Table, *, looking: bool = True) -> Schema | None:
    if schema is None or isinstance(schema, Schema):
        return schema
    if isinstance(schema, (str, Path)):
        try:
            schema = json.loads(Path(schema).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SchemaError(
                f"a schema file is JSON, however: {schema} cannot be read as such ({type(error).__name__})."
            ) from None
    if not is_sdv(schema):
        return Schema.from_dict(schema)
    if not looking:
        raise PrivacyError(
            "under --epsilon nothing looks at rows uncharged, however: what SDV's metadata leaves open is inferred from them. Declare the "
            "columns in a schema of ours."
        )
    return read_sdv(schema, table.data)


def split(table: Table, keep_back: float, seed: int) -> Split:
    """Keep a share of the rows back, at random, and say so."""
    rows = table.num_rows
    if keep_back == 0:
        return Split(table, None, "no rows: there is no yardstick (--keep-back 0)")
    if rows < FEWEST_ROWS_TO_SPLIT:
        return Split(
            table,
            None,
            f"no rows: {rows} are too few to spare any, so there is no yardstick (--holdout FILE gives one)",
        )
    order = generator(seed, "split").permutation(rows)
    back = max(round(rows * keep_back), 1)
    words = f"{back:,} rows that no engine sees, as the yardstick"
    weak = " (a weak one: so few rows tell little)" if back < 200 else ""
    return Split(table.take(np.sort(order[back:])), table.take(np.sort(order[:back])), words + weak)


def fit(
    data: Any,
    *,
    engine: str = "auto",
    schema: Any = None,
    drop: Iterable[str] = (),
    keys: Iterable[str] = (),
    derive: Mapping[str, str] | None = None,
    seed: int = 0,
    minutes: float | None = None,
    avoid: Any = None,
    run: Run | None = None,
    **settings: Any,
) -> Twin:
    """Learn a table.

    Parameters
    ----------
    data
        A pandas, polars or pyarrow frame, or a path to a CSV or Parquet file.
    engine
        One of the registered engines; ``auto`` picks one by size, time and held-out likelihood, and says which.
    schema
        Declared columns (a :class:`Schema`, dict, or JSON file, SDV's included); the rest is inferred.
    drop, keys
        Columns to leave out; columns to make up anew in their form.
    derive
        New columns by name, each an expression over the others (docs/constraints.md): ``{"rich": "income == '>50K'"}``.
    seed
        The same seed gives the same model.
    minutes
        Time budget for training.
    avoid
        A table whose keys must not be given out either (rows kept back).
    run
        Where progress, log, losses and checkpoints go; a progress bar on standard error when left out.
    **settings
        Any setting of the engine (``epochs=300``), of the encoders (``enforce_rounding``), of sampling
        (``max_tries_per_batch``) or of calibration (``calibrate=True``), under its own name.

    Raises
    ------
    InputError, SchemaError, SettingsError
        Before training starts.
    TrainingError
        The loss is no longer finite.

    >>> import lookalike, pyarrow as pa
    >>> table = pa.table({"colour": ["red", "blue"] * 30, "size": [1, 2, 3] * 20})
    >>> twin = lookalike.fit(table, engine="tvae", epochs=2, run=lookalike.Run())
    >>> twin.sample(5, seed=1).num_rows
    5
    """
    engine = private_engine(engine, settings)
    kind = registry.load(registry.ENGINES, engine, "engine")
    engine_settings, encoding, sampling, calibrating, privacy = route(settings, kind.Settings)
    if privacy.epsilon is not None:
        refuse_unpaid(kind, engine, calibrating, encoding)
    if encoding.intervals == "auto":
        private = privacy.epsilon is not None
        encoding = encoding.replace(intervals="quantiles" if private else kind.wants(engine_settings))
    if privacy.epsilon is None:
        ledger, (table, settled) = None, prepare(data, schema=schema, drop=drop, keys=keys, derive=derive)
    else:
        if derive:
            raise PrivacyError(
                "under --epsilon nothing looks at rows uncharged, however: derived columns were asked for. Add them to the table first."
            )
        table, settled, ledger = prepare_privately(data, privacy, schema=schema, drop=drop, keys=keys)
    everything = table
    table = learnable(imputed(table, settled, encoding), settled)
    if table.num_rows < 2:
        raise InputError("a table needs at least two rows to learn from, however: this one has one.")
    if table.num_rows < 100:
        warnings.warn(
            f"{table.num_rows} rows are few to learn from: expect a rough likeness, and one that may give single rows away.",
            LookalikeWarning,
            stacklevel=2,
        )
    kind.check(engine_settings, table.num_rows)
    if calibrating.calibrate:
        check_calibration(table.num_rows)
    run = run if run is not None else Run(console=terminal(), minutes=minutes)
    start = time.perf_counter()
    encoder = TableEncoder(settled, encoding)
    if ledger is None:
        encoder.fit(table.data, seed=seed, progress=lambda done, total: run.show("encoding", done, total))
        for unseen in [
            *([] if everything is table else [everything.data]),
            *([] if avoid is None else [as_table(avoid).data]),
        ]:
            encoder.avoid_keys(unseen)
        encoded, rows = encoder.encode(table.data, seed=seed), table.num_rows
    else:
        encoded, rows = encoder.fit_privately(table.data, ledger, share=privacy.domain_share)
        settled = encoder.schema
    model = kind(engine_settings)
    information = {
        "source": str(data) if isinstance(data, (str, Path)) else None,
        "engine": engine,
        "rows": rows,
        "seed": seed,
        "settings": engine_settings.model_dump(),
        "encoder": encoding.model_dump(),
        "calibration": calibrating.model_dump(),
        "versions": versions(),
        "threads": threads(),
    }
    run.write_json("run.json", information)
    run.log(f"fit {engine} on {rows:,} rows × {len(settled.kept)} columns, seed {seed}")
    try:
        if ledger is None:
            model.fit(encoded, seed=seed, run=run)
        else:
            model.fit(encoded, seed=seed, run=run, ledger=ledger)  # type: ignore[call-arg]
        calibration = calibrated(model, encoder, encoded, calibrating, seed, run)
    finally:
        run.close()
    seconds = time.perf_counter() - start
    information |= {
        "settings": model.settings.model_dump(),
        "seconds": round(seconds, 3 if ledger is None else 0),
        "epochs": len(run.losses),
        "interrupted": run.interrupted,
        "notes": run.notes,
        "privacy": None if ledger is None else ledger.to_dict(),
    }
    run.write_json("run.json", information)
    run.log(f"trained {len(run.losses)} epochs in {seconds:.1f} s" + (", interrupted" if run.interrupted else ""))
    return Twin(
        engine=engine,
        schema=settled,
        origin=table.origin,
        encoder=encoder,
        model=model,
        sampling=sampling,
        calibration=calibration,
        information=information,
        losses=run.losses,
    )


def calibrated(
    model: Generator, encoder: TableEncoder, table: EncodedTable, settings: CalibrationSettings, seed: int, run: Run
) -> Calibration | None:
    """Learn how rows are chosen from a pool of drawn ones, where that was asked for."""
    if not settings.calibrate:
        return None
    run.show("calibrating", 0, 1)
    pool = encoder.settle(model.sample(settings.pool_rows(len(table)), seed=derive_seed(seed, "pool")))
    calibration = Calibration.fit(table, pool, settings, derive_seed(seed, "calibrate"))
    run.notes["calibrated"] = calibration.notes
    run.show("calibrating", 1, 1)
    return calibration


def route(
    settings: Mapping[str, Any], engine: type[Settings]
) -> tuple[Any, EncoderSettings, SamplingSettings, CalibrationSettings, PrivacySettings]:
    """Give every keyword to the settings class that declares it; a keyword that none declares is a SettingsError."""
    classes: list[type[Settings]] = [engine, EncoderSettings, SamplingSettings, CalibrationSettings, PrivacySettings]
    parts: list[dict[str, Any]] = [{} for _ in classes]
    for name, value in settings.items():
        place = next((place for place, kind in enumerate(classes) if name in kind.model_fields), None)
        if place is None:
            known = ", ".join(field for kind in classes for field in kind.model_fields)
            engines = [other for other in registry.ENGINES if name in _settings_of(other).model_fields]
            cure = f"Name an engine that has it ({', '.join(engines)}). " if engines else ""
            raise SettingsError(
                f"{name!r} is not a setting of this engine, its encoders, of sampling, of calibration or of privacy. {cure}Known: {known}."
            )
        parts[place][name] = value
    learning, privacy = one_budget(engine.build(parts[0]), PrivacySettings.build(parts[4]))
    privacy.check()
    return (
        learning,
        EncoderSettings.build(parts[1]),
        SamplingSettings.build(parts[2]),
        CalibrationSettings.build(parts[3]),
        privacy,
    )


def one_budget(learning: Any, privacy: PrivacySettings) -> tuple[Any, PrivacySettings]:
    """``epsilon`` for the whole run and an engine's ``target_epsilon`` are one figure, under whichever name it was given: a private
    training on codes that were learned exactly would prove nothing."""
    if "target_epsilon" not in type(learning).model_fields:
        return learning, privacy
    if privacy.epsilon is None and learning.private:
        asked = {"epsilon": learning.asked_epsilon, "delta": learning.target_delta}
        return learning, PrivacySettings.build({**privacy.model_dump(exclude_unset=True), **asked})
    if privacy.epsilon is not None and learning.demanded("target_epsilon") is None:
        return learning.replace(target_epsilon=privacy.epsilon), privacy
    return learning, privacy


def _settings_of(engine: str) -> type[Settings]:
    kind: type[Settings] = registry.load(registry.ENGINES, engine, "engine").Settings
    return kind


def load(path: str | Path) -> Twin:
    """Read a ``.twin`` file."""
    return Twin.load(path)


def evaluate(
    real: Any,
    synthetic: Any,
    *,
    holdout: Any = None,
    schema: Any = None,
    target: str | None = None,
    seed: int = 0,
    thresholds: Thresholds | Mapping[str, float] | None = None,
    information: dict[str, Any] | None = None,
) -> Scorecard:
    """Judge a synthetic table, made by any tool, against the real rows it was made from.

    Parameters
    ----------
    real, synthetic
        Frames or paths.
    holdout
        Real rows that the tool never saw: the yardstick. Without it, figures that need one are said to be missing.
    schema
        As for :func:`fit`.
    target
        The column that models should predict, for the section on utility; the schema's target when left out. Needs
        ``pip install 'lookalike[utility]'`` and a holdout.
    thresholds
        Limits that change the verdicts, by figure: ``{"dcr_share": 0.51, "accuracy": 0.95}``; the others keep their
        defaults (see ``docs/scorecard.md``).
    information
        What the report should say about the run.

    Raises
    ------
    SettingsError
        The target is no scored column, a threshold names no figure, or xgboost and lightgbm are missing: before any work.
    InputError, SchemaError
        A table is empty, lacks a column, or holds other types.

    >>> import lookalike, pyarrow as pa
    >>> table = pa.table({"colour": ["red", "blue"] * 30, "size": [1, 2, 3] * 20})
    >>> lookalike.evaluate(table, table).to_dict()["fidelity"]["quality"]
    1.0
    """
    limits = thresholds if isinstance(thresholds, Thresholds) else Thresholds.build(thresholds or {})
    table, settled = prepare_to_judge(real, schema)
    other = like(as_table(synthetic), table, settled, "synthetic table")
    fresh = None if holdout is None else like(as_table(holdout), table, settled, "holdout")
    result = score(table.data, other, settled, holdout=fresh, target=target, seed=seed, thresholds=limits)
    return Scorecard.of(result, table.data, other, settled, holdout=fresh, run=information)


def prepare_to_judge(real: Any, schema: Any) -> tuple[Table, Schema]:
    """As :func:`prepare`, but free text is set aside instead of refused: a judge takes tables as they come."""
    table = as_table(real)
    settled = infer_schema(table.data, _declared(schema, table))
    texts = {spec.name for spec in settled if spec.kind == "text"}
    columns = [spec.replace(role="drop") if spec.name in texts else spec for spec in settled]
    return table, Schema(columns, [rule for rule in settled.constraints if not texts & set(rule.names)])


def like(table: Table, model: Table, schema: Schema, what: str) -> pa.Table:
    """The columns of ``table`` in the types of ``model``; CSV text is read as the other's types where it can be."""
    columns = {}
    for spec in schema.kept:
        if spec.name not in table.names:
            raise SchemaError(
                f"the {what} must have the real table's columns, however: {spec.name!r} is not there. Add it, or give a schema that drops it."
            )
        wanted, rule = model.data.schema.field(spec.name).type, f"the {what} must hold the real table's types"
        columns[spec.name] = in_type(table.data.column(spec.name), wanted, spec, rule)
    return pa.table(columns)


def versions() -> dict[str, str]:
    """What a figure depends on."""
    packages = {name: version(name) for name in ("lookalike", "torch", "numpy", "pyarrow", "scikit-learn")}
    return {"python": platform.python_version(), **packages}
