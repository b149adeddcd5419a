"""``lookalike augment``: rare classes filled up, and what that is worth."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lookalike.cli import options
from lookalike.cli.app import app
from lookalike.cli.screen import Screen, write
from lookalike.cli.words import class_counts, derivations, gather


@app.command()
def augment(
    table: options.Source,
    target: Annotated[str, typer.Option("--target", help="the column that holds the classes")],
    out: options.Out = None,
    balance: Annotated[
        bool, typer.Option("--balance", help="fill every class up (the default, unless only --count is given)")
    ] = False,
    share: Annotated[
        float | None,
        typer.Option("--share", help="fill up to this share of the largest class, 1 for equal; halfway when left out"),
    ] = None,
    count: Annotated[
        list[str] | None,
        typer.Option("--count", help="CLASS=ROWS, real ones included: what a class is to have (repeat for more)"),
    ] = None,
    origin_column: Annotated[
        str, typer.Option("--origin-column", help="the column that says real or synthetic")
    ] = "origin",
    temperature: Annotated[
        float, typer.Option("--temperature", help="below 1 made rows are more typical of their class")
    ] = 1.0,
    engine: options.Engine = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    minutes: options.Minutes = None,
    device: options.Device = None,
    schema: options.SchemaFile = None,
    drop: options.Drop = None,
    derive: options.Derive = None,
    key: options.Key = None,
    holdout: options.Holdout = None,
    keep_back: options.KeepBack = None,
    config: options.Config = None,
    setting: options.Setting = None,
    escape_formulas: options.EscapeFormulas = False,
    force: options.Force = False,
    resume: options.Resume = False,
    json_: Annotated[bool, typer.Option("--json", help="print the figures as JSON, nothing else")] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Real rows, and made ones that fill up rare classes. Measured beside SMOTENC."""
    screen = Screen(quiet=quiet, verbose=verbose, machine=json_)
    with screen.guarded():
        from lookalike import presets

        flags = {
            "engine": engine,
            "epochs": epochs,
            "seed": seed,
            "minutes": minutes,
            "device": device,
            "keep_back": keep_back,
        }
        made = presets.augment_to(
            table,
            out=out,
            target=target,
            balance=True if balance else None,
            share=share,
            counts=class_counts(count),
            origin_column=origin_column,
            temperature=temperature,
            schema=schema,
            drop=drop or (),
            derive=derivations(derive),
            keys=key or (),
            holdout=holdout,
            force=force,
            resume=resume,
            escape_formulas=escape_formulas,
            console=screen.bar,
            say=screen.say,
            **gather(config, flags, setting, making=False),
        )
        if json_:
            write(json.dumps(made.to_dict(), ensure_ascii=False))
        else:
            screen.print(f"\n{made}")
        screen.print("\n" + "   ".join(map(str, made.files)))
        screen.say("privacy", f"{made.files[0].name} holds your real rows: it is as private as they are")
