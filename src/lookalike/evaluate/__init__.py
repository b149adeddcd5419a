"""Room 7: the judge. Tables in, a plain dict out; it never sits inside the optimiser."""

from lookalike.evaluate.scorecard import score

__all__ = ["score"]
