"""``lookalike evaluate``: judge a table, made by any tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.cli import options
from lookalike.cli.app import app
from lookalike.cli.screen import NOT_MET, Screen, command_line, show
from lookalike.cli.words import said_in, tell_unread, thresholds


@app.command()
def evaluate(
    real: Annotated[Path, typer.Argument(help="the real rows it was made from", metavar="REAL")],
    synthetic: Annotated[Path, typer.Argument(help="the synthetic rows, made by any tool", metavar="SYNTHETIC")],
    holdout: options.Holdout = None,
    target: options.Target = None,
    schema: options.SchemaFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="write the report here: .html (and .json beside it), or .json alone")
    ] = None,
    fail_under: Annotated[
        str | None,
        typer.Option(
            "--fail-under", help="FIGURE=LIMIT,…: exit with 3 where one is not met (accuracy=0.95,dcr_share=0.52)"
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="a settings file, for the limits in its [thresholds]")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="for the figures that draw a sample")] = 0,
    force: options.Force = False,
    json_: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Judge a synthetic table, made by any tool. Exit codes: 0 judged, 2 an error, 3 a --fail-under is not met."""
    screen = Screen(quiet=quiet, verbose=verbose, machine=json_)
    with screen.guarded():
        from lookalike import presets

        tell_unread(config, [f"[{title}]" for title in said_in(config) if title != "thresholds"])
        judged = presets.judge(
            real,
            synthetic,
            holdout=holdout,
            schema=schema,
            target=target,
            out=out,
            fail_under=fail_under,
            thresholds=thresholds(config),
            seed=seed,
            force=force,
            command=command_line(),
        )
        show(screen, judged.card, json_)
        if judged.files:
            screen.print("\n" + "   ".join(map(str, judged.files)))
        for sentence in judged.unmet:
            screen.complain("not met", sentence)
        if judged.unmet:
            raise typer.Exit(NOT_MET)
