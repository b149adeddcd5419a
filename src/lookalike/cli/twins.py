"""``lookalike fit``, ``sample`` and ``impute``: learn a table, draw rows of it, fill the gaps of another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.cli import options
from lookalike.cli.app import app
from lookalike.cli.screen import Screen
from lookalike.cli.words import conditions, derivations, gather, named_values, two_columns


@app.command()
def fit(
    table: options.Source,
    out: Annotated[
        Path | None, typer.Option("--out", help="the twin to write; TABLE.twin beside it when left out")
    ] = None,
    engine: options.Engine = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="time budget for the training")] = None,
    device: options.Device = None,
    epsilon: options.Epsilon = None,
    delta: options.Delta = None,
    subject: options.Subject = None,
    schema: options.SchemaFile = None,
    drop: options.Drop = None,
    derive: options.Derive = None,
    key: options.Key = None,
    config: options.Config = None,
    setting: options.Setting = None,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Learn a table and save the twin, to sample from later."""
    screen = Screen(quiet=quiet, verbose=verbose)
    with screen.guarded():
        from lookalike import presets

        flags = {"engine": engine, "epochs": epochs, "seed": seed, "minutes": minutes, "device": device}
        flags |= {"epsilon": epsilon, "delta": delta, "subject": subject}
        path = out or presets.twin_of(table)
        twin = presets.fit_to(
            table,
            path,
            schema=schema,
            drop=drop or (),
            derive=derivations(derive),
            keys=key or (),
            force=force,
            resume=resume,
            console=screen.bar,
            say=screen.say,
            **gather(config, flags, setting, making=False),
        )
        screen.print(repr(twin))
        screen.print(f"\n{path}   next: lookalike sample {path} --rows 1000")


@app.command()
def sample(
    twin: Annotated[Path, typer.Argument(help="a twin that was fitted", metavar="TWIN")],
    out: options.Out = None,
    rows: Annotated[
        int | None, typer.Option("--rows", help="rows to draw; as many as were fitted when left out")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="COLUMN=VALUE that every row must have; COLUMN= for missing (repeat for more)"),
    ] = None,
    balance: Annotated[
        str | None, typer.Option("--balance", help="COLUMN whose levels all become equally frequent")
    ] = None,
    decorrelate: Annotated[
        str | None,
        typer.Option(
            "--decorrelate",
            help="COLUMN,COLUMN of at most 50 levels each: drawn independently of each other (fairness)",
        ),
    ] = None,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature",
            help="below 1 frequent values become more frequent, above 1 rare ones do (nets: --engine autoregressive)",
        ),
    ] = 1.0,
    apart_from: Annotated[
        Path | None, typer.Option("--apart-from", help="real rows: drawn rows too near to one are drawn again")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="a setting of the filter or of sampling, NAME=VALUE (see: lookalike config)"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="the same seed gives the same rows")] = 0,
    escape_formulas: options.EscapeFormulas = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Draw rows from a twin straight to a file."""
    screen = Screen(quiet=quiet, verbose=verbose)
    with screen.guarded():
        from lookalike import pipeline, presets
        from lookalike.run import Run

        fitted = pipeline.load(twin)
        path = out or twin.with_name(
            f"{twin.stem}-sample.{'parquet' if fitted.origin.container == 'parquet' else 'csv'}"
        )
        presets.check_outputs([path], force=force, read=[twin, apart_from])
        settings = named_values(setting)
        tries = settings.pop("max_tries_per_batch", None)
        filter_ = presets.filter_from(fitted, apart_from, settings)
        bar = Run(console=screen.bar)
        fitted.sample_to(
            path,
            rows,
            seed=seed,
            where=conditions(where, fitted.encoder.says_empty),
            balance=balance,
            decorrelate=two_columns(decorrelate),
            temperature=temperature,
            apart_from=filter_,
            max_tries_per_batch=tries,
            escape_formulas=escape_formulas,
            progress=lambda done, total: bar.show("sampling", done, total),
        )
        bar.close()
        screen.say("sampled", f"{fitted.rows if rows is None else rows:,} rows", "--rows, --seed, --where")
        if filter_ is not None:
            screen.say("filter", filter_.words, "--set min_distance=…")
        screen.print(str(path))


@app.command()
def impute(
    twin: Annotated[
        Path,
        typer.Argument(
            help="a twin that was fitted with --set any_order=true, or by the engine marginals", metavar="TWIN"
        ),
    ],
    table: Annotated[Path, typer.Argument(help="a table with missing cells", metavar="TABLE")],
    out: options.Out = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="draw the columns that the table lacks instead; missing cells stay")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="the same seed gives the same cells")] = 0,
    escape_formulas: options.EscapeFormulas = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fill a table's missing cells. They are drawn given the other cells of their rows; all others stay."""
    screen = Screen(quiet=quiet, verbose=verbose)
    with screen.guarded():
        from lookalike import presets

        path = out or table.with_name(f"{table.stem}-{'completed' if complete else 'imputed'}{table.suffix}")
        filled = presets.fill(
            twin, table, path, complete=complete, seed=seed, force=force, escape_formulas=escape_formulas
        )
        screen.say("completed" if complete else "imputed", f"{filled:,} cells", "--seed")
        screen.print(str(path))
