"""Moments by the clocks of their zone: opening hours and Sundays are those of a place, not of Greenwich.

What a column of a zone holds is counted since 1970 in UTC, so that moments lie as far apart as they did. Its weekdays and hours are another
matter, and so is how a moment is written beside its offset: ``2024-01-05T10:00:00+01:00`` in winter, ``+02:00`` in summer.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from lookalike.errors import InputError

if TYPE_CHECKING:
    from lookalike.schema.column import ColumnSpec

DAY = 86_400
WRITTEN = re.compile(r"%(:{0,3})z\{([^{}]+)\}$")
"""The end of a format whose texts end in the offset of a zone at that moment: ``%z`` +0100, ``%:z`` +01:00, ``%:::z`` +01."""
STORED = re.compile(r"^timestamp\[.*, tz=(.+)\]$")
FIXED = re.compile(r"^([+-])(\d{2}):?(\d{2})$")
WELL_KNOWN = (
    "Europe/Berlin", "Europe/London", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "America/Halifax", "America/St_Johns", "America/Anchorage", "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland",
)  # fmt: skip
"""Zones that stand for all others of the same clock."""
EARLIEST, LATEST = -62_135_510_400, 253_402_214_400
"""Seconds of the second day of the year 1 and of the last of 9999, between which a calendar knows its way."""
START = datetime(1970, 1, 1, tzinfo=timezone.utc)


def zone_of(spec: ColumnSpec) -> str | None:
    """The zone by whose clocks a column's moments happened; None where they say nothing of one, or are in UTC.

    >>> from lookalike.schema import ColumnSpec
    >>> zone_of(ColumnSpec(name="at", kind="datetime", storage="timestamp[us, tz=Europe/Berlin]"))
    'Europe/Berlin'
    >>> zone_of(ColumnSpec(name="at", kind="datetime", format="%Y-%m-%d %H:%M%:z{America/New_York}"))
    'America/New_York'
    """
    found = STORED.match(spec.storage)
    name = found[1] if found else written_zone(spec.format or "")
    return None if name in (None, "UTC", "Etc/UTC", "Z") or spec.kind != "datetime" else name


def written_zone(format: str) -> str | None:
    """The zone whose offsets are written at the end of a format's texts, or None."""
    found = WRITTEN.search(format)
    return None if found is None else found[2]


def without_zone(spec: ColumnSpec) -> ColumnSpec:
    """The same column of what clocks show, wherever they are."""
    storage = re.sub(r", tz=.+\]$", "]", spec.storage)
    return spec.replace(storage=storage, format=None if spec.format is None else WRITTEN.sub("", spec.format))


def offsets(seconds: np.ndarray, zone: str) -> np.ndarray:
    """(n,) seconds since 1970 to (n,) int64 seconds by which a zone's clocks are ahead of UTC then.

    Raises
    ------
    InputError
        Nothing on this machine knows the zone.

    >>> offsets(np.array([1_704_067_200, 1_719_792_000]), "Europe/Berlin").tolist()
    [3600, 7200]
    """
    if fixed := FIXED.match(zone):
        size = 3600 * int(fixed[2]) + 60 * int(fixed[3])
        return np.full(len(seconds), -size if fixed[1] == "-" else size, np.int64)
    try:
        known = zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"a time zone is one that this machine knows, however: {zone!r} is none. pip install tzdata where it lacks all of them, or "
            "convert the column to UTC."
        ) from None

    def ahead(second: int) -> int:
        shift = (START + timedelta(seconds=second)).astimezone(known).utcoffset()
        assert shift is not None
        return round(shift.total_seconds())

    inside = np.clip(seconds.astype(np.int64), EARLIEST, LATEST)
    days, places = np.unique(inside // DAY, return_inverse=True)
    first = np.array([ahead(int(day) * DAY) for day in days], np.int64)
    last = np.array([ahead(int(day) * DAY + DAY - 1) for day in days], np.int64)
    change = days * DAY + DAY  # the first second with the offset of the day's end, if another than at its begin
    for place in np.flatnonzero(first != last):
        low, high = int(days[place]) * DAY, int(days[place]) * DAY + DAY - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if ahead(middle) == first[place] else (low, middle)
        change[place] = high
    return np.where(inside < change[places], first[places], last[places])


def local(ticks: np.ndarray, zone: str | None, second: int) -> np.ndarray:
    """(n,) ticks since 1970 in UTC, ``second`` of them a second, to what a zone's clocks say then; the same where there is no zone."""
    if zone is None:
        return ticks
    ticks = ticks.astype(np.int64)
    return ticks + second * offsets(ticks // second, zone)


def moment(ticks: np.ndarray, zone: str | None, second: int) -> np.ndarray:
    """The inverse of :func:`local`; of an hour that comes twice one of the two, of one that is left out an hour beside it.

    >>> summer = np.array([1_719_792_000])
    >>> (moment(local(summer, "Europe/Berlin", 1), "Europe/Berlin", 1) == summer).all()
    np.True_
    """
    if zone is None:
        return ticks
    ticks = ticks.astype(np.int64)
    near = ticks // second - offsets(ticks // second, zone)
    return ticks - second * offsets(near, zone)


def fitting(seconds: np.ndarray, ahead: np.ndarray) -> str | None:
    """The zone whose clocks are so far ``ahead`` (n,) at (n,) ``seconds`` since 1970; None where there is none.

    >>> fitting(np.array([1_704_067_200, 1_719_792_000]), np.array([-18_000, -14_400]))
    'America/New_York'
    """
    known = zoneinfo.available_timezones()
    few = np.linspace(0, len(seconds) - 1, 20).astype(np.int64)  # most zones differ in one of these
    for name in chain((name for name in WELL_KNOWN if name in known), sorted(known)):
        if all(np.array_equal(offsets(seconds[some], name), ahead[some]) for some in (few, slice(None))):
            return name
    return None
