"""``Twin``: what a fit leaves behind. It holds no rows; it samples, and it is one file."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike import artefact, registry
from lookalike.config import mapping
from lookalike.encode.asked import cell
from lookalike.encode.frame import TableEncoder, check_columns
from lookalike.errors import ArtefactError, LookalikeError, LookalikeWarning, PrivacyError, SchemaError, SettingsError
from lookalike.ledger import Ledger
from lookalike.model.base import Generator
from lookalike.refine import Calibration, CalibrationSettings, Check, Filter, FilterSettings, refill
from lookalike.refine.constraints import Wanted, check_occurs, row_checks
from lookalike.refine.constraints import checks as constraint_checks
from lookalike.rng import derive_seed
from lookalike.sample import Sampler, SamplingSettings, batch_sizes, check_rows, complete
from lookalike.schema import EncodedTable, Schema
from lookalike.table import Origin, Table, TableWriter, as_table, frame_of, to_native

Condition = Mapping[str, Any]
TARGETS = "calibration/"
"""Before the names of the calibration's arrays in the file."""


class Twin:
    """A fitted look-alike of one table.

    Made by :func:`lookalike.fit` or :func:`lookalike.load`.

    Attributes
    ----------
    schema
        The columns, as they were modelled.
    engine
        The engine's name.
    information
        What ran: settings, seed, rows, seconds, versions, and whether it was a trial.
    """

    def __init__(
        self,
        *,
        engine: str,
        schema: Schema,
        origin: Origin,
        encoder: TableEncoder,
        model: Generator,
        sampling: SamplingSettings,
        calibration: Calibration | None,
        information: dict[str, Any],
        losses: list[dict[str, float]],
    ) -> None:
        self.engine, self.schema, self.origin = engine, schema, origin
        self.encoder, self.model, self.sampling = encoder, model, sampling
        self.calibration = calibration
        self.information = information
        self._losses = losses

    @property
    def rows(self) -> int:
        """Rows it was fitted on."""
        return int(self.information["rows"])

    @property
    def effort(self) -> str:
        """How long was trained, in words: ``300 epochs``, or ``one pass`` where an engine knows no epochs."""
        if self._mixed:
            return str(self._mixed["effort"])
        epochs = self.information["epochs"]
        return f"{epochs} epochs" if epochs else "one pass"

    @property
    def picked(self) -> str:
        """The engine that draws the rows, in words: of an ensemble, all of them."""
        return str(self._mixed["words"]) if self._mixed else self.drawn_by

    @property
    def drawn_by(self) -> str:
        """The name of the engine that draws the rows: the one that ``auto`` picked, or the one that was named."""
        return str(self.information["notes"].get("engine", {}).get("picked", self.engine))

    @property
    def weighed(self) -> str | None:
        """What share of the rows each member of an ensemble draws, in words, where that was learned; None elsewhere."""
        if self._mixed.get("weights") != "learned":
            return None
        return ", ".join(f"{label} {100 * told['weight']:.1f} %" for label, told in self._mixed["members"].items())

    @property
    def _mixed(self) -> dict[str, Any]:
        """What an ensemble noted of itself; empty for other engines."""
        found: dict[str, Any] = self.information["notes"].get("ensemble", {})
        return found

    @property
    def why(self) -> str | None:
        """Why ``auto`` picked it; None where an engine was named."""
        found = self.information["notes"].get("engine")
        return None if found is None else str(found["why"])

    @property
    def privacy(self) -> Ledger | None:
        """Who spent how much of the privacy budget; None where the fit had none, and so gives no guarantee."""
        kept = self.information.get("privacy")
        return None if kept is None else Ledger.from_dict(kept)

    @property
    def losses(self) -> Any:
        """A pandas frame, a row an epoch: ``epoch`` and the engine's losses."""
        return frame_of(self._losses)

    def sample(
        self,
        rows: int | Sequence[int] | None = None,
        *,
        seed: int = 0,
        where: Condition | Sequence[Condition] | None = None,
        apart_from: Any = None,
        **how: Any,
    ) -> Any:
        """Draw rows, as the same kind of frame that was fitted (pyarrow where that was a file).

        Parameters
        ----------
        rows
            How many; as many as were fitted when left out. With several conditions, one count for each.
        seed
            The same seed gives the same rows.
        where
            Values that columns must have, ``{"income": ">50K"}``; or a list of such conditions.
        apart_from
            Real rows, or what :meth:`filter` made of them: drawn rows that are identical to one, too close to it or leaning
            on it are drawn again. The twin keeps nothing of them.
        **how
            ``balance="income"``: all its levels equally frequent. ``decorrelate=("sex", "income")``: the two drawn
            independently of each other. ``temperature=0.8``: frequent values more frequent. See
            :class:`lookalike.sample.Sampler`. ``max_tries_per_batch=500``: draw more often before giving up.

        Raises
        ------
        SettingsError, SchemaError, SamplingError
            The count is negative, the condition was never seen, or it cannot be met; too few rows stay apart.
        """
        if apart_from is not None:
            how["apart_from"] = self.filter(apart_from)
        if where is None or isinstance(where, Mapping):
            if isinstance(rows, Iterable):
                raise SettingsError(
                    f"several counts need as many conditions, however: rows={list(rows)} with one condition. Give where a list."
                )
            count = self.rows if rows is None else rows
            batches = list(self.batches(count, seed=seed, where=where, **how))
        else:
            if not len(where):
                raise SettingsError("a list of conditions has one at least, however: where=[]. Leave it out.")
            counts = list(rows) if isinstance(rows, Iterable) else [self.rows if rows is None else rows] * len(where)
            if len(counts) != len(where):
                raise SettingsError(
                    f"every condition needs a count, however: {len(where)} conditions and {len(counts)} counts."
                )
            return to_native(self.sample_each(counts, where, seed=seed, **how))
        return to_native(Table(pa.concat_tables(batch.data for batch in batches), self.origin))

    def sample_each(self, counts: Sequence[int], where: Sequence[Condition], *, seed: int = 0, **how: Any) -> Table:
        """Draw so many rows under each condition, one after the other, as one table: no key is given out twice."""
        drawn = [
            batch.data
            for place, (count, condition) in enumerate(zip(counts, where, strict=True))
            for batch in self.batches(count, seed=derive_seed(seed, "condition", place), where=condition, **how)
        ]
        keys, shared = self.encoder.keys, [entity.key for entity in self.encoder.ties.entities]
        return Table(keys.joined(drawn, shared, keys.streams(seed)), self.origin)

    def batches(
        self,
        rows: int,
        *,
        seed: int = 0,
        where: Condition | None = None,
        balance: str | None = None,
        decorrelate: tuple[str, str] | None = None,
        temperature: float = 1.0,
        apart_from: Any = None,
        max_tries_per_batch: int | None = None,
    ) -> Iterator[Table]:
        """Draw rows batch by batch, at constant memory; see :meth:`sample`."""
        settings = self.sampling
        if max_tries_per_batch is not None:
            settings = settings.replace(max_tries_per_batch=max_tries_per_batch)
        where, wanted = self._parted(dict(mapping("where", where, "{'income': '>50K'}")))
        checks: list[Check] = [*wanted, *constraint_checks(self.schema)]
        if apart_from is not None:
            checks.append(self.filter(apart_from))
        sampler = Sampler(
            self.model,
            self.encoder,
            seed=seed,
            where=where,
            balance=balance,
            decorrelate=decorrelate,
            temperature=temperature,
            settings=settings,
            learned=self.rows,
        )
        if self._calibrates and not sampler.plain:
            warnings.warn(
                "calibration holds to the table's own shares, however: conditions, balance, decorrelate and temperature change them. "
                "These rows are drawn without it.",
                LookalikeWarning,
                stacklevel=3,
            )
        for place, size in enumerate(batch_sizes(rows)):
            batch_seed = derive_seed(seed, "batch", place)

            def draw(sizes: list[int], attempt: int, batch_seed: int = batch_seed) -> tuple[pa.Table, np.ndarray]:
                draw_seed = batch_seed if attempt == 0 else derive_seed(batch_seed, "again", attempt)
                encoded, part = self._drawn(sampler, sizes, draw_seed)
                return sampler.cells(encoded, draw_seed), part

            kept = refill(sampler.sizes(size), draw, checks, tries=settings.max_tries_per_batch)
            yield Table(sampler.with_keys(kept), self.origin)

    def _parted(self, where: dict[str, Any]) -> tuple[dict[str, Any], list[Wanted]]:
        """What of a condition the engine is asked for, and what is met by drawing again, as it follows from other columns."""
        tied = {name: where.pop(name) for name in [*where] if name in self.encoder.tied}
        wanted = [Wanted(name, cell(self.schema[name], value)) for name, value in tied.items()]
        for combinations in self.encoder.combinations() if wanted else ():
            check_occurs(wanted, combinations)
        return where, wanted

    def filter(self, real: Any, settings: FilterSettings | None = None) -> Filter:
        """Return what keeps drawn rows apart from real ones, for ``apart_from``; a filter comes back as it is.

        A filter is itself a look at the real rows: see :mod:`lookalike.refine.filter`. What it dropped and why stands in its
        ``dropped``.

        Raises
        ------
        PrivacyError
            The twin was fitted under a privacy budget, which a filter would void.
        InputError, SchemaError
            The real table has no rows, or lacks a column that was learned, or has another type there.
        """
        if self.privacy is not None:
            raise PrivacyError(
                "nothing looks at rows uncharged where a privacy budget was spent, however: apart_from does. Leave it out."
            )
        if isinstance(real, Filter):
            if settings is not None:
                raise SettingsError(
                    "a filter has its settings already, however: others were given. Give the real rows."
                )
            return real
        data = as_table(real).data
        check_columns(data, Schema(self.schema.modelled))
        return Filter(
            pa.table({spec.name: self.encoder.in_type(data, spec.name) for spec in self.schema.modelled}),
            self.schema,
            settings,
        )

    @property
    def _calibrates(self) -> bool:
        return self.calibration is not None and bool(self.calibration.sweeps)

    @property
    def calibrated(self) -> str | None:
        """Whether rows are chosen as calibration asks, in words; None where it was not asked for."""
        if self.calibration is None:
            return None
        passes = f"passes over all pairs of columns: {self.calibration.sweeps}"
        return passes if self._calibrates else "left out, as it met rows held back no better"

    def _drawn(self, sampler: Sampler, sizes: list[int], seed: int) -> tuple[EncodedTable, np.ndarray]:
        """Draw rows: chosen from a pool where the twin is calibrated and nothing else was asked for."""
        if self.calibration is None or not self._calibrates or not sampler.plain:
            return sampler.draw(sizes, seed)
        settings = CalibrationSettings.build(self.information["calibration"])
        pool, part = sampler.draw([settings.pool_rows(sizes[0])], seed)
        chosen = self.calibration.choose(pool, sizes[0], derive_seed(seed, "choose"))
        return pool.take(chosen), part[chosen]

    def impute(self, data: Any, *, seed: int = 0) -> Any:
        """Fill the missing cells of a table, drawn given the cells of the same row that are there; all others stay, a frame's index too.

        Needs the engine ``marginals``, or ``autoregressive`` with ``any_order=True``: then each row's draw is exactly from the model's
        conditional distribution, but for cells from which a known one of the row is measured (when was ordered what was sent today): how
        far apart the two are is drawn first. Rows that break a rule by a drawn cell are drawn again, a few times.

        Raises
        ------
        SettingsError
            The engine cannot.
        SchemaError, InputError
            A column is lacking or of another type, or a cell holds what the column cannot. A label never seen stays, with a warning, and
            its row is completed without it.
        """
        return to_native(self.impute_table(as_table(data), seed=seed), rows_of=data)

    def complete(self, data: Any, *, seed: int = 0) -> Any:
        """Draw the columns that a table lacks, given those it has, missing cells included. As :meth:`impute` otherwise."""
        return to_native(self.complete_table(as_table(data), seed=seed), rows_of=data)

    def impute_table(self, table: Table, *, seed: int = 0) -> Table:
        """As :meth:`impute`, table in and table out."""
        check_columns(table.data, self.schema)
        return self._complete(table, fill=True, seed=seed)

    def complete_table(self, table: Table, *, seed: int = 0) -> Table:
        """As :meth:`complete`, table in and table out."""
        return self._complete(table, fill=False, seed=seed)

    def _complete(self, table: Table, *, fill: bool, seed: int) -> Table:
        strange = [name for name in table.names if name not in {spec.name for spec in self.schema.kept}]
        if strange:
            raise SchemaError(
                f"a table to complete has columns that were learned, however: {', '.join(map(repr, strange))} was not. Drop it."
            )
        rules = row_checks(self.schema)

        def broken(done: pa.Table, drawn: Mapping[str, np.ndarray]) -> np.ndarray:
            found = np.zeros(done.num_rows, bool)
            for rule in rules:
                found |= np.any([drawn[name] for name in rule.constraint.names], axis=0) & ~rule.keep(done)
            return found

        done = complete(self.model, self.encoder, table.data, fill=fill, seed=seed, broken=broken)
        return Table(done, self.origin.replace(container=table.origin.container))

    def sample_to(
        self,
        path: str | Path,
        rows: int | None = None,
        *,
        seed: int = 0,
        where: Condition | None = None,
        escape_formulas: bool = False,
        progress: Any = None,
        **how: Any,
    ) -> Path:
        """Draw rows straight to a CSV or Parquet file, without holding them. ``progress`` is called with (done, rows); for
        the rest see :meth:`sample`, but for lists of counts and conditions, which this does not take."""
        rows = self.rows if rows is None else rows
        check_rows(rows)
        done = 0
        with TableWriter(Path(path), self.origin, escape_formulas=escape_formulas) as writer:
            for batch in self.batches(rows, seed=seed, where=where, **how):
                writer.write(batch)
                done += batch.num_rows
                if progress is not None:
                    progress(done, rows)
        return Path(path)

    def save(self, path: str | Path) -> Path:
        """Write one ``.twin`` file: weights as safetensors, everything else JSON; never a row."""
        state, arrays = self.model.state()
        calibration, targets = (None, {}) if self.calibration is None else self.calibration.state()
        arrays |= {f"{TARGETS}{name}": array for name, array in targets.items()}
        documents = {
            "twin": {"engine": self.engine, "information": self.information, "sampling": self.sampling.model_dump()},
            "schema": self.schema.to_dict(),
            "origin": self.origin.model_dump(),
            "encoder": self.encoder.state(),
            "engine": {"settings": self.model.settings.model_dump(), "state": state},
            "calibration": calibration,
            "losses": self._losses,
        }
        artefact.write(Path(path), documents, arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Twin:
        """Read what :meth:`save` wrote; anything else is an ArtefactError."""
        from lookalike.model.training.device import threads  # torch: who only judges tables need not wait for it

        documents, arrays = artefact.read(Path(path))
        try:
            twin, engine = documents["twin"], documents["engine"]
            fitted_with = twin["information"].get("threads", threads())
            if fitted_with != threads():
                warnings.warn(
                    f"{Path(path).name} was fitted with {fitted_with} threads, and {threads()} are used here: the same seed may give "
                    "slightly other rows.",
                    LookalikeWarning,
                    stacklevel=2,
                )
            schema = Schema.from_dict(documents["schema"])
            encoder = TableEncoder.from_state(schema, documents["encoder"])
            kind = registry.load(registry.ENGINES, twin["engine"], "engine")
            targets = {
                name.removeprefix(TARGETS): arrays.pop(name) for name in list(arrays) if name.startswith(TARGETS)
            }
            model = kind.from_state(encoder.columns, kind.Settings.build(engine["settings"]), engine["state"], arrays)
            chosen = documents["calibration"]
            return cls(
                engine=twin["engine"],
                schema=schema,
                origin=Origin.build(documents["origin"]),
                encoder=encoder,
                model=model,
                sampling=SamplingSettings.build(twin["sampling"]),
                calibration=None if chosen is None else Calibration.from_state(chosen, targets),
                information=twin["information"],
                losses=documents["losses"],
            )
        except LookalikeError:
            raise
        # what the parts raise that are made of a document or an array which is not as we write it
        except (
            LookupError,
            TypeError,
            AttributeError,
            ValueError,
            ArithmeticError,
            RuntimeError,
            pa.ArrowException,
        ) as error:
            fault = f"it lacks {error}" if isinstance(error, KeyError) else type(error).__name__
            raise ArtefactError(
                f"{Path(path).name} is a lookalike file but no twin ({fault}). Load a file that was saved as one."
            ) from error

    def __repr__(self) -> str:
        settings = self.information
        lines = [
            f"Twin of {self.rows:,} rows × {len(self.schema.kept)} columns ({settings.get('source') or 'a frame'})",
            f"  columns   {self.schema!r}",
            f"  engine    {self.picked}{' (picked by auto)' if self.why else ''}, {self.effort} in {settings['seconds']:.1f} s, seed {settings['seed']}",
        ]
        if self._losses:
            last = {name: value for row in self._losses for name, value in row.items() if name != "epoch"}
            lines.append(
                "  losses    " + ", ".join(f"{name} {value:.3f}" for name, value in last.items()) + " at the end"
            )
        if self.weighed is not None:
            lines.append(f"  weights   {self.weighed}")
        if self.calibrated is not None:
            lines.append(f"  chosen    {self.calibrated}")
        if self.privacy is None:
            lines.append(
                "  privacy   none proven: fitted without epsilon, so do not share it as differentially private"
            )
        else:
            lines += [f"  {label:<9} {text}" for label, text in self.privacy.describe()[:3]]
        return "\n".join(lines + (["  a trial run: not for use"] if settings.get("trial") else []))
