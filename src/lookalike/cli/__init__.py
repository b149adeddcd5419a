"""The command: ``lookalike make · fit · sample · impute · augment · evaluate · schema · config · cache · demo``.

Only this module prints. It imports what it needs when a command runs, so that ``--help`` is instant.
"""

from lookalike.cli import making, twins  # isort: skip  - the order of the commands in --help
from lookalike.cli import augmenting, judging, describing  # isort: skip
from lookalike.cli.app import app

__all__ = ["app", "augmenting", "describing", "judging", "main", "making", "twins"]


def main() -> None:
    app()
