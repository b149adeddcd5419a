"""What a fresh real sample scores: whether it can be leaned on, and on even terms.

Fewer rows score lower by chance alone, so a small holdout would be too kind a yardstick for a large synthetic table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lookalike.evaluate.prepare import Column, pick

WEAK_HOLDOUT = 100
"""A holdout of fewer rows than this is a yardstick too short to lean on."""
SKEWED = 0.05
"""A control share further than this from ½ (and than four standard errors) betrays a holdout that is no random draw."""
UNEVEN = 0.1
"""Tables whose numbers of rows differ by more than this share of the larger are made even."""


@dataclass(frozen=True)
class Even:
    """Two sides of about as many rows, to be compared with each other.

    Attributes
    ----------
    synthetic
        "synthetic", or "even": a seeded draw from it, as long as the holdout.
    fresh
        "holdout", or "fresh": a seeded draw from it, as long as the synthetic table; None without a holdout.
    rows
        How many both have at least.
    """

    synthetic: str
    fresh: str | None
    rows: int

    @property
    def sides(self) -> list[str]:
        """Every side that fidelity is measured for, the whole synthetic table first."""
        return list(dict.fromkeys(side for side in ("synthetic", self.synthetic, self.fresh) if side))


def even_out(columns: list[Column], rows: dict[str, int], seed: int) -> tuple[list[Column], Even]:
    """Add a draw from the larger of synthetic table and holdout as a side of its own, where they differ by over 10 %.

    ``rows`` counts those of every table. The draw's bins are cut anew, as any table's are.
    """
    if "holdout" not in rows:
        return columns, Even("synthetic", None, rows["synthetic"])
    size = min(rows["synthetic"], rows["holdout"])
    if max(rows["synthetic"], rows["holdout"]) * (1 - UNEVEN) <= size:
        return columns, Even("synthetic", "holdout", size)
    source, name = ("synthetic", "even") if rows["synthetic"] > size else ("holdout", "fresh")
    draw = pick(rows[source], size, seed, "even")
    columns = [replace(column, sides={**column.sides, name: column.sides[source].take(draw)}) for column in columns]
    return columns, Even("even", "holdout", size) if name == "even" else Even("synthetic", "fresh", size)


def yardstick(rows: int, nearness: dict[str, Any] | None) -> dict[str, Any]:
    """How far to trust a holdout of so many rows: {strength: "none" | "weak" | "skewed" | "good", rows, note}."""
    if rows == 0:
        note = "No yardstick: no real rows were kept back, so nothing says what a fresh real sample would score."
        return {"strength": "none", "rows": 0, "note": note}
    if rows < WEAK_HOLDOUT:
        note = f"Weak yardstick: only {rows} real rows were kept back; what they score is mostly chance."
        return {"strength": "weak", "rows": rows, "note": note}
    control = (nearness or {}).get("control")
    if control and abs(control["share"] - 0.5) > max(SKEWED, 4 * control["standard_error"]):
        note = f"Skewed yardstick: the {rows:,} real rows kept back are not a random draw from the same table as the training rows."
        return {"strength": "skewed", "rows": rows, "note": note}
    return {"strength": "good", "rows": rows, "note": f"Yardstick: {rows:,} real rows that no engine saw."}
