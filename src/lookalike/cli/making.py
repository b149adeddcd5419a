"""``lookalike make`` and ``lookalike demo``: a table in; its look-alike, a report and a twin out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.cli import options
from lookalike.cli.app import app
from lookalike.cli.screen import NOT_MET, Screen, command_line, show
from lookalike.cli.words import derivations, gather, requirements, thresholds


@app.command()
def make(
    table: options.Source,
    preset: Annotated[
        str | None, typer.Option("--preset", help="a named run: best, challenge or private-ensemble; flags win")
    ] = None,
    out: options.Out = None,
    rows: Annotated[
        int | None, typer.Option("--rows", help="rows to make; as many as the table has when left out")
    ] = None,
    engine: options.Engine = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    minutes: options.Minutes = None,
    device: options.Device = None,
    epsilon: options.Epsilon = None,
    delta: options.Delta = None,
    subject: options.Subject = None,
    schema: options.SchemaFile = None,
    drop: options.Drop = None,
    derive: options.Derive = None,
    key: options.Key = None,
    target: options.Target = None,
    holdout: options.Holdout = None,
    keep_back: options.KeepBack = None,
    config: options.Config = None,
    setting: options.Setting = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="a trial run in seconds: few rows, few epochs, the same files")
    ] = False,
    filter_: Annotated[
        bool, typer.Option("--filter", help="draw rows again that are too near to a row learned from (docs/filters.md)")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="leave the table as it was before the filter, too")] = False,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", help="FIGURE=LIMIT: try other knobs until it is met; exit with 3 if not (repeat)"),
    ] = None,
    escape_formulas: options.EscapeFormulas = False,
    force: options.Force = False,
    resume: options.Resume = False,
    json_: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """A table in; its look-alike, a report and a twin out. Exit codes: 0 made, 2 an error, 3 a --require is not met."""
    screen = Screen(quiet=quiet, verbose=verbose, machine=json_)
    with screen.guarded():
        from lookalike import presets

        flags = {
            "engine": engine,
            "epochs": epochs,
            "seed": seed,
            "minutes": minutes,
            "device": device,
            "epsilon": epsilon,
            "delta": delta,
            "subject": subject,
            "keep_back": keep_back,
            "filter": filter_ or None,
            "raw": raw or None,
        }
        made = presets.make(
            table,
            out=out,
            rows=rows,
            schema=schema,
            drop=drop or (),
            derive=derivations(derive),
            keys=key or (),
            target=target,
            holdout=holdout,
            quick=quick,
            force=force,
            resume=resume,
            escape_formulas=escape_formulas,
            console=screen.bar,
            command=command_line(),
            say=screen.say,
            thresholds=thresholds(config),
            require=requirements(require),
            preset=preset,
            **gather(config, flags, setting, preset=preset),
        )
        show(screen, made.card, json_)
        screen.print(f"\n{made.table_file}   {made.report_file}   {made.twin_file}")
        if screen.verbose:
            screen.print(f"log, losses and scorecard: {made.folder}")
        for sentence in made.unmet:
            screen.complain("not met", sentence)
        if made.unmet:
            screen.complain("would help", made.advice)
            raise typer.Exit(NOT_MET)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--folder", help="where the demo's files go")] = Path("lookalike-demo"),
    verbose: options.Verbose = False,
) -> None:
    """The whole thing on a simulated table, then what to look at."""
    screen = Screen(verbose=verbose)
    with screen.guarded():
        from lookalike import presets

        made = presets.demo(folder, console=screen.bar, say=screen.say, command="lookalike demo")
        show(screen, made.card, False)
        screen.print(
            f"\nLook at:\n"
            f"  {made.report_file}   open it in a browser: is it alike, is it safe, and where is it worst?\n"
            f"  {made.table_file}   beside {folder / 'customers.csv'}: same columns, same formats, nobody's rows\n"
            f"  {made.twin_file}   draw more: lookalike sample {made.twin_file} --rows 5000 --where plan=premium\n"
            f"  {made.folder}   log, losses and the scorecard as JSON\n"
            f"Then your own: lookalike make your.csv"
        )
