"""Room 8: the scorecard's figures as text, pictures and one page. Matplotlib and Jinja are loaded when first drawn."""

from lookalike.report.card import Scorecard
from lookalike.report.summarize import summarize

__all__ = ["Scorecard", "summarize"]
