"""What a command prints, and where."""

from __future__ import annotations

import errno
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from lookalike.characters import OBEYED
from lookalike.errors import LookalikeError, LookalikeWarning

if TYPE_CHECKING:
    from lookalike.report import Scorecard

NOT_MET = 3
"""The exit code of a table that does not meet its requirements; 2 is that of a call or a table that is wrong."""


COMMANDS = {place: spelled for place, spelled in OBEYED.items() if chr(place) not in "\t\n"}
"""What a terminal obeys instead of showing it, colours, titles, the cursor, and how it is spelled; lines and tabs are our own."""


def plain(text: str) -> str:
    """Text for Rich that holds no markup and nothing a terminal would obey: a column's name is whatever a stranger wrote.

    >>> print(plain("\\x1b[2J [red] x"))
    \\x1b[2J \\[red] x
    """
    return escape(text.translate(COMMANDS))


class Screen:
    """What a command prints, and where: words on standard error when standard output is for machines."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False, machine: bool = False) -> None:
        self.quiet, self.verbose = quiet, verbose
        self.console = Console(stderr=machine, highlight=False, soft_wrap=True)

    def say(self, label: str, text: str, other: str = "") -> None:
        if not self.quiet:
            flags = f"   [dim]{plain(other)}[/dim]" if other else ""
            line = Text.from_markup(f"{plain(text)}{flags}")
            parts = [line] if self.width is None else line.wrap(self.console, max(self.width - 11, 24))
            for place, part in enumerate(parts):
                self._put(Text.assemble(f"{label if not place else '':<10} ", part))

    def print(self, text: str) -> None:
        if not self.quiet:
            self._put(plain(text))

    def _put(self, what: str | Text) -> None:
        """Print; where that cannot be, go on without a word: what a run makes is worth more than to be told of it."""
        try:
            self.console.print(what)
        except (OSError, SystemExit):  # a full disk; nobody reads any more, at which Rich ends the program
            self.quiet = True
            with suppress(OSError):  # what is left in the buffer goes nowhere, or Python's own exit would fail at it
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.console.file.fileno())

    def complain(self, label: str, text: str) -> None:
        """What made the command fail: on standard error, and not to be silenced."""
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]{label:<10}[/red] {plain(text)}")

    @property
    def width(self) -> int | None:
        """Characters in a line of a person's terminal; None where a file or a program reads, which has lines of any length."""
        return self.console.width if self.console.is_terminal else None

    @property
    def bar(self) -> Console | None:
        """Where a progress bar goes: only to a person's terminal."""
        from lookalike.run import terminal

        return None if self.quiet else terminal(self.console)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Errors and warnings of ours as one line each, and a name that is too long; anything else is a bug and keeps its traceback."""
        with warnings.catch_warnings():
            warnings.simplefilter("always", LookalikeWarning)
            usual = warnings.showwarning
            warnings.showwarning = self._warning(usual)
            try:
                yield
            except LookalikeError as error:
                if self.verbose:
                    raise
                self.complain("error", str(error))
                raise typer.Exit(2) from None
            except OSError as error:
                # told here, as every look at a file, read or written, meets it first
                if error.errno != errno.ENAMETOOLONG or self.verbose:
                    raise
                self.complain(
                    "error",
                    f"a name must be as short as its disk asks (mostly 255 bytes), however: {error.filename} is not. "
                    "Rename what is read, or choose a shorter --out.",
                )
                raise typer.Exit(2) from None
            except KeyboardInterrupt as error:
                told = f"; {error}" if error.args else ""
                Console(stderr=True).print(f"interrupted: nothing was left half-written{told}")
                raise typer.Exit(130) from None

    def _warning(self, usual: Callable[..., None]) -> Callable[..., None]:
        def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
            if issubclass(category, LookalikeWarning):
                self.say("note", str(message))
            else:
                usual(message, category, *rest, **named)

        return show


def show(screen: Screen, card: Scorecard, machine: bool) -> None:
    """The scorecard, for a person or for a machine."""
    if machine:
        write(json.dumps(card.to_dict(), ensure_ascii=False))
    else:
        screen.print(f"\n{card.text(screen.width)}")


def write(text: str) -> None:
    """What a machine reads, JSON or TOML: on standard output as UTF-8, whatever the terminal's encoding is. What a terminal would obey is
    escaped as both allow, so that it reads the same."""
    typer.echo(text.translate({place: f"\\u{place:04x}" for place in COMMANDS}).encode("utf-8"))


def command_line() -> str:
    """What was typed, for the report."""
    return " ".join(["lookalike", *sys.argv[1:]])
