"""The whole flow on one screen: table → schema → encode → model → sample → refine → evaluate → report."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from lookalike import registry
from lookalike.config import Settings, mapping
from lookalike.encode.frame import TableEncoder
from lookalike.errors import InputError, LookalikeWarning, SettingsError, TrainingError
from lookalike.evaluate.figures import Thresholds
from lookalike.evaluate.scorecard import score
from lookalike.fitting import Coded, ready
from lookalike.model.base import Generator
from lookalike.preparing import like, prepare_to_judge
from lookalike.refine import Calibration, CalibrationSettings
from lookalike.refine.calibrate import check as check_calibration
from lookalike.report import Scorecard
from lookalike.rng import derive_seed
from lookalike.routing import Asked, route
from lookalike.run import TOLD, Run, terminal
from lookalike.schema import EncodedTable
from lookalike.table import as_table
from lookalike.twin import Twin
from lookalike.versions import versions


class RunSettings(Settings):
    """What a run does; the engine's own settings stand in its table."""

    engine: str = Field("auto", description="which engine: " + ", ".join(registry.ENGINES))
    seed: int = Field(0, ge=0, description="the same seed gives the same rows")
    keep_back: float = Field(0.1, ge=0, lt=1, description="share of rows that no engine sees, as the yardstick")
    minutes: float | None = Field(None, gt=0, description="time budget for the whole run, report included")
    filter: bool = Field(False, description="draw rows again that are too near to a row learned from (see [filter])")

    def check_yardstick(self, holdout: Any) -> None:
        """Raise where rows to measure with are given, and a share to keep back for it, too."""
        if holdout is not None and "keep_back" in self.changed:
            raise SettingsError(
                f"rows to measure with come from one place, however: keep_back={self.keep_back:g} and a holdout were given. Leave one out."
            )


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
        A pandas, polars or pyarrow frame, or a path to a CSV or Parquet file. An index of pandas is no column: ``reset_index()`` first.
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
        (``max_tries_per_batch``), of calibration (``calibrate=True``) or of privacy (``epsilon``, ``delta``, ``subject``), under its own
        name.

    Raises
    ------
    InputError, SchemaError, SettingsError, PrivacyError
        Before training starts.
    TrainingError
        The loss is no longer finite.

    >>> import lookalike, pyarrow as pa
    >>> table = pa.table({"colour": ["red", "blue"] * 30, "size": [1, 2, 3] * 20})
    >>> twin = lookalike.fit(table, engine="tvae", epochs=2, run=lookalike.Run())
    >>> twin.sample(5, seed=1).num_rows
    5
    """
    RunSettings.build({"engine": engine, "seed": seed, "minutes": minutes})
    run = _begun(run, minutes)
    asked = route(engine, settings).settled()
    _check_engine_goes_on(run, asked.engine)
    rows = ready(data, asked, run, schema=schema, drop=drop, keys=keys, derive=derive, avoid=avoid)
    _check_rows(rows.table.num_rows, asked)
    asked.kind.check(asked.learning, rows.table.num_rows)
    start = time.perf_counter()
    coded = rows.code(seed, run)
    information = _told_before(asked, coded, data, seed, run)
    model, calibration = _trained(asked, coded, seed, run)
    information = _told_after(information, model, coded, time.perf_counter() - start, run)
    return Twin(
        engine=asked.engine,
        schema=coded.schema,
        origin=rows.table.origin,
        encoder=coded.encoder,
        model=model,
        sampling=asked.sampling,
        calibration=calibration,
        information=information,
        losses=run.losses,
    )


def _begun(run: Run | None, minutes: float | None) -> Run:
    """The run, its budget counted from now."""
    run = run if run is not None else Run(console=terminal())
    if minutes is not None:
        run.deadline = time.monotonic() + 60 * minutes
    return run


def _check_engine_goes_on(run: Run, engine: str) -> None:
    """Raise where another engine left the run's checkpoint; one that leaves none itself would never look at it."""
    began = run.read_json(TOLD, ["engine"]) if run.goes_on else None
    if began is not None and began["engine"] != engine:
        raise TrainingError(
            f"a run goes on with the engine that it began with, however: that is {began['engine']}, and {engine} was asked for. "
            f"Ask for {began['engine']}, or start without --resume."
        )


def _check_rows(rows: int, asked: Asked) -> None:
    """Raise where rows are too few for what was asked, and warn where they tell little."""
    if rows < 2:
        raise InputError("a table needs at least two rows to learn from, however: this one has one.")
    if rows < 100:
        warnings.warn(
            f"{rows} rows are few to learn from: expect a rough likeness, and one that may give single rows away.",
            LookalikeWarning,
            stacklevel=3,
        )
    if asked.calibrating.calibrate:
        check_calibration(rows)


def _trained(asked: Asked, coded: Coded, seed: int, run: Run) -> tuple[Generator, Calibration | None]:
    """Fit the engine, and what chooses among its rows where that was asked for."""
    model = asked.kind(asked.learning)
    try:
        if coded.ledger is None:
            model.fit(coded.table, seed=seed, run=run)
        else:  # an engine that takes no ledger was refused above, and the base class's fit has none
            model.fit(coded.table, seed=seed, run=run, ledger=coded.ledger)  # type: ignore[call-arg]
        return model, calibrated(model, coded.encoder, coded.table, asked.calibrating, seed, run)
    finally:
        run.close()


def _told_before(asked: Asked, coded: Coded, data: Any, seed: int, run: Run) -> dict[str, Any]:
    """Write down what is about to be trained, and return it."""
    from lookalike.model.training.device import threads  # torch: who only judges tables need not wait for it

    information = {
        "source": Path(data).name if isinstance(data, (str, Path)) else None,
        "engine": asked.engine,
        "rows": coded.rows,
        "seed": seed,
        "settings": asked.learning.model_dump(),
        "encoder": asked.encoding.model_dump(),
        "calibration": asked.calibrating.model_dump(),
        "versions": versions(),
        "threads": threads(),
    }
    run.write_json(TOLD, information)
    run.log(f"fit {asked.engine} on {coded.rows:,} rows × {len(coded.schema.kept)} columns, seed {seed}")
    return information


def _told_after(
    information: dict[str, Any], model: Generator, coded: Coded, seconds: float, run: Run
) -> dict[str, Any]:
    """Write down how the training went, too, and return all of it."""
    information = information | {
        "settings": model.settings.model_dump(),
        "seconds": round(seconds, 3 if coded.ledger is None else 0),
        "epochs": len(run.losses),
        "interrupted": run.interrupted,
        "notes": run.notes,
        "privacy": None if coded.ledger is None else coded.ledger.to_dict(),
    }
    with run.sparing():
        run.write_json(TOLD, information)
    run.log(f"trained {len(run.losses)} epochs in {seconds:.1f} s" + (", interrupted" if run.interrupted else ""))
    return information


def calibrated(
    model: Generator, encoder: TableEncoder, table: EncodedTable, settings: CalibrationSettings, seed: int, run: Run
) -> Calibration | None:
    """Learn how rows are chosen from a pool of drawn ones, where that was asked for."""
    if not settings.calibrate:
        return None
    run.show("calibrating", 0, 1)
    pool = encoder.ties.settle(model.sample(settings.pool_rows(len(table)), seed=derive_seed(seed, "pool")))
    calibration = Calibration.fit(table, pool, settings, derive_seed(seed, "calibrate"))
    run.notes["calibrated"] = calibration.notes
    run.show("calibrating", 1, 1)
    return calibration


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
    limits = (
        thresholds
        if isinstance(thresholds, Thresholds)
        else Thresholds.build(mapping("thresholds", thresholds, "{'dcr_share': 0.51}"))
    )
    table, settled = prepare_to_judge(real, schema)
    other = like(as_table(synthetic), table, settled, "synthetic table")
    fresh = None if holdout is None else like(as_table(holdout), table, settled, "holdout")
    result = score(table.data, other, settled, holdout=fresh, target=target, seed=seed, thresholds=limits)
    files = isinstance(real, (str, Path)) and isinstance(synthetic, (str, Path))
    run = {"title": f"{Path(synthetic).name} beside {Path(real).name}" if files else None, **(information or {})}
    return Scorecard.of(result, table.data, other, settled, holdout=fresh, run=run)
