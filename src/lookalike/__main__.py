"""``python -m lookalike`` is the command."""

from lookalike.cli import main

main()
