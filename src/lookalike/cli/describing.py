"""``lookalike schema`` and ``lookalike config``: what a run takes a table for, and every setting."""

from __future__ import annotations

from lookalike.cli.app import app
from lookalike.cli.options import Source, Verbose
from lookalike.cli.screen import Screen


@app.command()
def schema(table: Source, verbose: Verbose = False) -> None:
    """Print what a table's columns are taken for, as JSON to edit and hand back with --schema."""
    screen = Screen(verbose=verbose, machine=True)
    with screen.guarded():
        from lookalike.schema.infer import infer_schema
        from lookalike.table import as_table

        print(infer_schema(as_table(table).data).to_json())


@app.command()
def config() -> None:
    """Print every setting with its default and meaning, as TOML to edit and hand back with --config."""
    with Screen().guarded():
        from lookalike import presets
        from lookalike.config import to_toml

        print(to_toml(presets.settings_sections()), end="")
