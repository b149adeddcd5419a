"""One awkward table, judged and summarised, for every test of the report."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa

from lookalike.evaluate import score
from lookalike.report import Scorecard
from lookalike.schema import ColumnSpec, Schema

MARKUP = "<script>document.title='owned'</script>"
QUOTES = "\"'><img src=x onerror=document.title=1>&amp;"
RARE = "rare-diagnosis-XQ7"
LONELY = 987_654_321
SCHEMA = Schema([
    ColumnSpec(name="id", kind="key", storage="int64", role="primary_key"),
    ColumnSpec(name=MARKUP, kind="category", storage="string"),
    ColumnSpec(name=QUOTES, kind="category", storage="string"),
    ColumnSpec(name="$x_1^2$ {{ 7*7 }}", kind="integer", storage="int64"),
    ColumnSpec(name="pay \N{EURO SIGN} \N{GRINNING FACE}", kind="float", storage="double"),
    ColumnSpec(name="when", kind="datetime", storage="timestamp[us]"),
    ColumnSpec(name="nothing", kind="float", storage="double"),
    ColumnSpec(name="same", kind="constant", storage="string"),
])  # fmt: skip
RUN = {
    "title": f"patients {MARKUP}",
    "command": "lookalike make 'a \"b\" <c>.csv' --quick",
    "engine": "autoregressive",
    "trial": True,
    "settings": {"train": {"epochs": 3, "hidden": (64, 64)}, "device": None},
    "seeds": {"seed": 7},
    "versions": {"python": "3.11"},
    "timings": {"training": 12.5},
    "losses": [{"epoch": epoch, "loss": 3.0 - epoch / 10, "held_out": 3.1 - epoch / 11} for epoch in range(1, 6)],
    "notes": ["A note with <b>markup</b>."],
}


def table(rows: int, shift: int) -> pa.Table:
    row = np.arange(rows)
    noise = (row * 7919 + shift * 104_729) % 101
    labels = [MARKUP, "</svg></script>", "\u202ertl", "a\x00b\nc", "$\\frac{1}{0}$", "\N{GRINNING FACE}", "plain"]
    first = [labels[place % 7] for place in (noise // 3).tolist()]
    first[0] = RARE
    whole = noise * 10
    whole[1] = LONELY
    return pa.table({
        "id": pa.array(row),
        MARKUP: pa.array(first),
        QUOTES: pa.array([None if place % 5 == 0 else QUOTES if place % 2 else "url(#x) id=\"y\" #0072b2" for place in row.tolist()]),
        "$x_1^2$ {{ 7*7 }}": pa.array(whole),
        "pay \N{EURO SIGN} \N{GRINNING FACE}": pa.array(np.where(noise < 60, 0.0, 1.5 ** (noise / 5))),
        "when": pa.array((row * 86_400_000_000).tolist(), pa.timestamp("us")),
        "nothing": pa.array([None] * rows, pa.float64()),
        "same": pa.array(["x"] * rows),
    })  # fmt: skip


@cache
def scorecard(holdout: bool = True, run: bool = True) -> Scorecard:
    real, synthetic, kept = table(400, 0), table(300, 1), table(200, 2) if holdout else None
    card = score(real, synthetic, SCHEMA, holdout=kept)
    return Scorecard.of(card, real, synthetic, SCHEMA, holdout=kept, run=RUN if run else None)


@cache
def useful() -> Scorecard:
    """A small table with a target, so that models are trained."""
    schema = Schema([
        ColumnSpec(name="age", kind="integer", storage="int64"),
        ColumnSpec(name="pay", kind="float", storage="double"),
        ColumnSpec(name=MARKUP, kind="category", storage="string", role="target"),
    ])  # fmt: skip

    def rows(seed: int) -> pa.Table:
        draw = np.random.default_rng(seed)
        age = draw.integers(18, 80, 300)
        answer = np.where(age + draw.normal(0, 5, 300) > 50, "</script><b>yes", "no")
        return pa.table({"age": age, "pay": draw.normal(0, 1, 300), MARKUP: answer})

    real, synthetic, kept = rows(0), rows(1), rows(2)
    card = score(real, synthetic, schema, holdout=kept)
    return Scorecard.of(card, real, synthetic, schema, holdout=kept)


@cache
def wide(columns: int) -> Scorecard:
    """A table of so many columns of long names."""
    schema = Schema(
        [ColumnSpec(name=f"measurement_of_{place}", kind="float", storage="double") for place in range(columns)]
    )

    def rows(seed: int) -> pa.Table:
        draws = np.random.default_rng(seed).normal(size=(columns, 60))
        return pa.table(dict(zip(schema.names, draws, strict=True)))

    real, synthetic = rows(0), rows(1)
    return Scorecard.of(score(real, synthetic, schema), real, synthetic, schema)


@cache
def bare(kind: str) -> Scorecard:
    """Tables of one column: "number", "label", or "nothing" where every cell is missing."""
    column = {
        "number": (ColumnSpec(name="x", kind="float", storage="double"), pa.array(np.arange(60.0))),
        "label": (ColumnSpec(name="x", kind="category", storage="string"), pa.array(["a", "b", "c"] * 20)),
        "nothing": (ColumnSpec(name="x", kind="float", storage="double"), pa.array([None] * 60, pa.float64())),
    }[kind]
    schema, table = Schema([column[0]]), pa.table({"x": column[1]})
    real, kept = table.slice(0, 40), table.slice(40)
    return Scorecard.of(score(real, real, schema, holdout=kept), real, real, schema, holdout=kept)


def variants() -> dict[str, Scorecard]:
    """Every kind of page: full, and with each part missing."""
    return {
        "full": scorecard(),
        "no holdout": scorecard(holdout=False, run=False),
        "useful": useful(),
        **{f"one column, {kind}": bare(kind) for kind in ("number", "label", "nothing")},
    }
