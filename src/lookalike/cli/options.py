"""Arguments and flags that several commands take, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[Path, typer.Argument(help="a CSV or Parquet file", metavar="TABLE")]
Out = Annotated[Path | None, typer.Option("--out", help="where to write; the suffix says CSV or Parquet")]
Engine = Annotated[
    str | None, typer.Option("--engine", help="auto, autoregressive, trees, copula, marginals, ctgan, tvae or ensemble")
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs", help="passes over the table, of an engine that has them (--engine autoregressive, ctgan, tvae)"
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="the same seed gives the same rows")]
SchemaFile = Annotated[Path | None, typer.Option("--schema", help="a schema file, ours or SDV's metadata")]
Config = Annotated[Path | None, typer.Option("--config", help="a settings file (see: lookalike config); flags win")]
Minutes = Annotated[float | None, typer.Option("--minutes", help="time budget for the whole run, report included")]
Device = Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or mps")]
Drop = Annotated[list[str] | None, typer.Option("--drop", help="leave a column out (repeat for more)")]
Key = Annotated[
    list[str] | None, typer.Option("--key", help="make a column's values up in their form (repeat for more)")
]
Derive = Annotated[
    list[str] | None,
    typer.Option("--derive", help="NAME=EXPRESSION: a new column, rich=income == '>50K' (repeat; docs/constraints.md)"),
]
Force = Annotated[bool, typer.Option("--force", help="overwrite files of an earlier run")]
Resume = Annotated[
    bool, typer.Option("--resume", help="go on from an interrupted run's checkpoint (nets and ensembles leave one)")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="print errors only")]
Verbose = Annotated[bool, typer.Option("--verbose", help="more detail; tracebacks on errors")]
Json = Annotated[bool, typer.Option("--json", help="print the scorecard as JSON, nothing else")]
EscapeFormulas = Annotated[
    bool, typer.Option("--escape-formulas", help="CSV: put ' before text a spreadsheet would run")
]
Holdout = Annotated[Path | None, typer.Option("--holdout", help="real rows that no engine sees: the yardstick")]
KeepBack = Annotated[
    float | None, typer.Option("--keep-back", help="share of rows kept from the engine as the yardstick")
]
Target = Annotated[str | None, typer.Option("--target", help="the column that a model would predict")]
Epsilon = Annotated[float | None, typer.Option("--epsilon", help="differential privacy: the budget ε for all of it")]
Delta = Annotated[float | None, typer.Option("--delta", help="the δ that goes with ε; 1e-5 when left out")]
Subject = Annotated[str | None, typer.Option("--subject", help="privacy: the column that says whose row it is")]
Setting = Annotated[
    list[str] | None, typer.Option("--set", help="any other setting, NAME=VALUE (see: lookalike config)")
]
