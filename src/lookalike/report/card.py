"""``Scorecard``: the judge's dict, with faces: text for a terminal, a cell for a notebook, a page, a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookalike.artefact import replacing
from lookalike.errors import SettingsError
from lookalike.report import answers, overview
from lookalike.report.summarize import summarize

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

    from lookalike.schema import Schema


class Scorecard:
    """What ``lookalike.evaluate`` returns.

    Parameters
    ----------
    card
        The dict of ``evaluate.scorecard.score``.
    summary
        The dict of ``report.summarize``; without it there is no page and no picture. See :meth:`of`.
    """

    def __init__(self, card: Mapping[str, Any], summary: Mapping[str, Any] | None = None) -> None:
        self._card = dict(card)
        self._summary = summary

    @classmethod
    def of(
        cls,
        card: Mapping[str, Any],
        real: pa.Table,
        synthetic: pa.Table,
        schema: Schema,
        *,
        holdout: pa.Table | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> Scorecard:
        """A scorecard with everything its page needs; arguments as in :func:`summarize`."""
        return cls(card, summarize(card, real, synthetic, schema, holdout=holdout, run=run))

    # ------------------------------------------------------------------------------------------------------ as figures

    def to_dict(self) -> dict[str, Any]:
        """Every figure, as documented in ``lookalike.evaluate.scorecard``."""
        return self._card

    def __getitem__(self, part: str) -> Any:
        return self._card[part]

    # --------------------------------------------------------------------------------------------------------- as text

    def __str__(self) -> str:
        """One aligned overview: this table beside a fresh real sample."""
        return self.text()

    def text(self, width: int | None = None) -> str:
        """The overview as text; ``width``: characters a line has at most, for a narrow terminal (as wide as its words when left out)."""
        return overview.text(self._card, width)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from lookalike.report.html import render_overview

        figures = overview.figures(self._card)
        return render_overview({
            "trial": bool(self._summary and self._summary["trial"]),
            "blocks": [
                {"question": "Is it alike?", **answers.alike(self._card), "figures": figures["alike"]},
                {"question": "Is it safe?", **answers.safe(self._card), "figures": figures["safe"]},
                {"question": "Is it useful?", **answers.useful(self._card), "figures": figures["useful"]},
            ],
            "checks": overview.checks(self._card),
            "look_at": overview.look_at(self._card),
            "yardstick": self._card["yardstick"]["note"],
        })  # fmt: skip

    # ---------------------------------------------------------------------------------------------------- as pictures

    def plot_column(self, name: str) -> Figure:
        """One column's real and synthetic distribution."""
        from lookalike.report import plots

        columns = {column["name"]: column for column in self._full()["columns"]}
        if name not in columns:
            raise SettingsError(
                f"a scored column can be plotted, however: {name!r} is none. Columns: {', '.join(columns)}."
            )
        return plots.plot_column(columns[name])

    def plot_losses(self) -> Figure:
        """The training losses by epoch."""
        from lookalike.report import plots

        return plots.plot_losses(self._full()["losses"])

    def plot_associations(self) -> Figure:
        """Associations of the real table, of the synthetic one, and their difference."""
        from lookalike.report import plots

        return plots.plot_associations(self._full()["associations"])

    def save_plots(self, folder: str | Path, *, kind: str = "svg") -> list[Path]:
        """Save every picture as svg, png or pdf; returns the paths."""
        from lookalike.report import plots

        return plots.save_plots(self._full(), folder, kind=kind)

    def _full(self) -> Mapping[str, Any]:
        if self._summary is None:
            raise SettingsError(
                "pages and pictures need the tables, however: this scorecard has only figures. Make it with lookalike.evaluate."
            )
        return self._summary

    # -------------------------------------------------------------------------------------------------------- as files

    def to_json(self, path: str | Path) -> None:
        """Write every figure as JSON; a file that stands there is replaced only when all went well."""
        _write(Path(path), json.dumps(self._card, indent=1, ensure_ascii=False) + "\n")

    def to_html(self, path: str | Path) -> None:
        """Write the page: one file, opens offline."""
        from lookalike.report.html import render

        _write(Path(path), render(self._full()))


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
