"""The command: ``lookalike make · fit · sample · impute · augment · evaluate · schema · config · cache · demo``.

Only this module prints. It imports what it needs when a command runs, so that ``--help`` is instant.
"""

import io
import signal
import sys

from lookalike.cli import making, twins  # isort: skip  - the order of the commands in --help
from lookalike.cli import augmenting, judging, describing  # isort: skip
from lookalike.cli.app import app

__all__ = ["app", "augmenting", "describing", "judging", "main", "making", "twins"]


def main() -> None:
    # told to end, as schedulers and containers do, or its terminal is gone: as at Ctrl-C, what was learned is kept and no real rows stay
    # in a temporary folder
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup has it ignored
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a word that a terminal cannot show is no reason to end
            stream.reconfigure(errors="replace")
    app()
