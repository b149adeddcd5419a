"""Every error and warning that lookalike raises on purpose.

A message says rule, fact and cure on one line, names the column, and never prints a cell:

>>> str(SettingsError("batch_size must be a multiple of pac (10), however: batch_size=256. Use 250 or 260."))
'batch_size must be a multiple of pac (10), however: batch_size=256. Use 250 or 260.'
"""

from __future__ import annotations


class LookalikeError(Exception):
    """Base class: catch this one to catch everything lookalike raises on purpose."""


class InputError(LookalikeError, ValueError):
    """The table cannot be used as it is."""


class SchemaError(LookalikeError, ValueError):
    """The schema is wrong, or the table does not fit it."""


class SettingsError(LookalikeError, ValueError):
    """A setting, a flag or an argument is out of its range."""


class NotFittedError(LookalikeError):
    """Something was asked of an engine or encoder that has not been fitted."""


class TrainingError(LookalikeError):
    """Training could not go on; the best state so far is kept where there is one."""


class SamplingError(LookalikeError):
    """The rows that were asked for cannot be drawn."""


class PrivacyError(LookalikeError, ValueError):
    """The privacy budget does not allow what was asked, or something would have looked at rows uncharged."""


class ArtefactError(LookalikeError):
    """A file of ours cannot be read, or must not be trusted."""


class OutputError(LookalikeError):
    """A file cannot be written, or is in the way."""


class LookalikeWarning(UserWarning):
    """Handled, but the user should know."""
