"""``lookalike schema``, ``config`` and ``cache``: what a run takes a table for, every setting, and what is kept for another time."""

from __future__ import annotations

from typing import Annotated

import typer

from lookalike.cli import options
from lookalike.cli.app import app
from lookalike.cli.screen import Screen, write


@app.command()
def schema(
    table: options.Source,
    constraints: Annotated[
        bool,
        typer.Option(
            "--constraints",
            help="look for rules that all rows keep, to declare by leaving them in (docs/constraints.md)",
        ),
    ] = False,
    verbose: options.Verbose = False,
) -> None:
    """Print what a table's columns are taken for, as JSON. Edit it, and hand it back with --schema."""
    screen = Screen(verbose=verbose, machine=True)
    with screen.guarded():
        from lookalike.schema.found.discover import with_constraints
        from lookalike.schema.infer import infer_schema
        from lookalike.table import as_table

        data = as_table(table).data
        found = infer_schema(data)
        if constraints:
            found = with_constraints(data, found)
            if not found.constraints:
                screen.say("found", "no rule that all rows keep and that is not kept unasked", "docs/constraints.md")
        write(found.to_json())


@app.command()
def config() -> None:
    """Print every setting with its default and meaning, as TOML. Edit it, and hand it back with --config."""
    with Screen().guarded():
        from lookalike import presets
        from lookalike.config import to_toml

        write(to_toml(presets.settings_sections()).removesuffix("\n"))


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="remove all of it")] = False, verbose: options.Verbose = False
) -> None:
    """List the members of ensembles that are kept. They need no training again, and are as private as twins."""
    screen = Screen(verbose=verbose)
    with screen.guarded():
        from lookalike import cache as kept

        if clear:
            screen.print(f"{kept.folder()}: {kept.clear():,} removed")
            return
        entries = kept.entries()
        for entry in entries:
            screen.print(f"{entry.key[:8]}  {entry.used:%Y-%m-%d %H:%M}  {entry.bytes / 2**20:8.1f} MB  {entry.what}")
        total = sum(entry.bytes for entry in entries) / 2**20
        screen.print(
            f"{kept.folder()}: {len(entries):,} kept, {total:.1f} MB   all of it goes: lookalike cache --clear"
        )
