"""What an engine learns from: rows and columns made ready, then coded; exactly, or within a privacy budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lookalike.encode.domain import Domain
from lookalike.encode.domain import asked as asked_of_domain
from lookalike.encode.frame import TableEncoder
from lookalike.errors import PrivacyError
from lookalike.ledger import Ledger
from lookalike.preparing import declared_publicly, learnable, listed, prepare, prepare_privately, without_missing
from lookalike.routing import Asked
from lookalike.run import Run
from lookalike.schema import EncodedTable, Schema
from lookalike.schema.found.discover import with_rules_to_keep
from lookalike.table import Table, as_table


@dataclass(frozen=True)
class Coded:
    """Rows as an engine learns them, and what turns drawn ones back into cells.

    Attributes
    ----------
    table
        Codes and residuals (n, d).
    rows
        How many rows there are to know of: under a privacy budget as many as is public, or a noised count.
    schema
        The columns, with the rules that were found.
    ledger
        What was spent so far; None without a privacy budget.
    """

    encoder: TableEncoder
    table: EncodedTable
    rows: int
    schema: Schema
    ledger: Ledger | None = None


@dataclass(frozen=True)
class Exact:
    """Rows to learn from and their columns, as the rows themselves tell; ``whole`` has those set aside, too, and ``avoid`` others whose keys
    must not be given out either."""

    table: Table
    schema: Schema
    asked: Asked
    whole: Table
    avoid: Table | None

    @classmethod
    def of(
        cls,
        data: Any,
        asked: Asked,
        *,
        schema: Any,
        drop: Iterable[str],
        keys: Iterable[str],
        derive: Mapping[str, str] | None,
        avoid: Any,
    ) -> Exact:
        """Read the table, settle its schema, and leave out the rows that cannot be learned from."""
        whole, settled = prepare(data, schema=schema, drop=drop, keys=keys, derive=derive)
        table = learnable(without_missing(whole, settled, asked.encoding), settled)
        return cls(table, settled, asked, whole, None if avoid is None else as_table(avoid))

    def code(self, seed: int, run: Run) -> Coded:
        """Learn how each column is coded, from all rows, and code them."""
        keep_rules = self.asked.encoding.keep_rules
        schema = with_rules_to_keep(self.table.data, self.schema) if keep_rules else self.schema
        encoder = TableEncoder(schema, self.asked.encoding)
        encoder.refuse_idle()
        others = [self.whole, *([] if self.avoid is None else [self.avoid])]
        encoder.fit(
            self.table.data,
            seed=seed,
            progress=lambda done, total: run.show("encoding", done, total),
            others=[other.data for other in others],
        )
        for other in others if self.whole is not self.table else others[1:]:
            encoder.keys.avoid(other.data)
        return Coded(encoder, encoder.encode(self.table.data, seed=seed), self.table.num_rows, schema)


@dataclass(frozen=True)
class Budgeted:
    """Rows to learn from and their columns, as far as that is public, declared or paid for.

    Attributes
    ----------
    ledger
        What was spent on what the columns are.
    domain
        The codes that a run which is gone on with has learned, and paid for; None where none has.
    terms
        What those codes were asked for with: a run goes on with the same alone.
    """

    table: Table
    schema: Schema
    asked: Asked
    ledger: Ledger
    domain: Domain | None
    terms: dict[str, Any]

    @classmethod
    def of(
        cls,
        data: Any,
        asked: Asked,
        run: Run,
        *,
        schema: Any,
        drop: Iterable[str],
        keys: Iterable[str],
        derive: Mapping[str, str] | None,
        avoid: Any,
    ) -> Budgeted:
        """Read the table and learn what its columns are within the budget, or take that up from the run that is gone on with.

        All rows are learned from: to leave out those with missing cells, or that break a rule, would be a look at them.
        """
        if avoid is not None:
            raise PrivacyError(
                "under --epsilon no keys of real rows are looked at, however: avoid was given. Leave it out."
            )
        if derive:
            raise PrivacyError(
                "under --epsilon nothing looks at rows uncharged, however: derived columns were asked for. Add them to the table first."
            )
        keys = listed("keys", keys)
        table, declared = declared_publicly(data, schema=schema, drop=drop)
        terms = asked_of_domain(table.data.schema, declared, keys, asked.encoding, asked.privacy)
        domain = Domain.kept(run, terms)
        table, settled, ledger = prepare_privately(table, declared, asked.privacy, keys=keys, domain=domain)
        return cls(table, settled, asked, ledger, domain, terms)

    def code(self, seed: int, run: Run) -> Coded:
        """Learn how each column is coded, unless a run that is gone on with has paid for that, and code the rows; no ``seed`` has a part
        in it, as noise that could be drawn again would hide nothing."""
        domain = self.domain or self._learned(run)
        return Coded(
            domain.encoder,
            domain.encoder.encode_privately(self.table.data),
            domain.rows,
            domain.encoder.schema,
            self.ledger,
        )

    def _learned(self, run: Run) -> Domain:
        encoder = TableEncoder(self.schema, self.asked.encoding)
        encoder.refuse_idle()
        rows = encoder.fit_privately(self.table.data, self.ledger, share=self.asked.privacy.domain_share)
        domain = Domain(self.schema, encoder, rows, self.ledger)
        domain.keep(run, self.terms)
        return domain


def ready(data: Any, asked: Asked, run: Run, **columns: Any) -> Exact | Budgeted:
    """Read a table and settle its ``columns`` (``schema``, ``drop``, ``keys``, ``derive``, ``avoid``: see :func:`lookalike.fit`)."""
    return Budgeted.of(data, asked, run, **columns) if asked.private else Exact.of(data, asked, **columns)
