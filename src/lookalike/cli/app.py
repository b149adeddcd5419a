"""The command that all others hang on."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Take a table; give back one that behaves the same and belongs to no one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
