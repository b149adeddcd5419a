"""The command that all others hang on."""

from __future__ import annotations

import typer


def _told(wanted: bool) -> None:
    if wanted:
        from lookalike.versions import __version__

        typer.echo(f"lookalike {__version__}")
        raise typer.Exit


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def command(
    version: bool = typer.Option(False, "--version", help="say which version this is", is_eager=True, callback=_told),
) -> None:
    """Take a table; give back one that behaves the same and belongs to no one.

    Exit codes: 0 done, 2 a wrong call or table, 3 what was required is not met, 130 interrupted, 1 a fault of ours.
    """
