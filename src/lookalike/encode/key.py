"""What the keys of a column have in common: their form, how often they are repeated, and which of them must not be given out.

Keys are not modelled: new ones are counted out (:mod:`lookalike.encode.stream`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.characters import flag
from lookalike.encode import forms, pattern
from lookalike.encode.stream import BLOCK, KeyStream
from lookalike.errors import InputError
from lookalike.rng import derive_seed
from lookalike.schema import ColumnSpec, checksums
from lookalike.schema.types import arrow_type, is_text
from lookalike.schema.values import without_nan
from lookalike.stats import FEW_PEOPLE

SERIAL_SHARE, GAPLESS_SHARE = 0.1, 0.75
"""Integers that fill more of their range than the former are serial numbers, and new ones are counted: from beyond the old ones, as between
them too few are free, or, where they fill nearly all of it and so say nothing, from the start."""
CROWD = FEW_PEOPLE
"""How many rows a key has is known as the mean of so many keys: nobody is told by having the most."""
UNKNOWN_FORM = "[0-9A-Z]{12}"
WITH_POINT = ".0"
"""How pandas writes whole numbers beside missing cells."""


class KeyEncoder:
    """Learn the form of a key column and make new keys.

    To never give out a real key without keeping the real keys, it keeps one bit for each of about as many hash buckets as there are
    keys. Every real key's bucket is marked, and new keys avoid marked buckets; but about half of all texts that were
    never seen fall into one too, so a mark proves nothing about anyone.

    >>> encoder = KeyEncoder(ColumnSpec(name="id", kind="key"))
    >>> encoder.fit(pa.array([f"C-{number:04}" for number in range(100)]))
    >>> new = encoder.stream(seed=1).take(5)
    >>> len(set(new.to_pylist())), set(new.to_pylist()) & {f"C-{number:04}" for number in range(100)}
    (5, set())
    """

    def __init__(self, spec: ColumnSpec) -> None:
        if spec.pattern is not None:
            pattern.from_regex(spec.pattern, spec.name)  # what cannot be followed is known before training
        self.spec = spec
        self.storage = arrow_type(spec.storage)
        numeric = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
        if not is_text(self.storage) and not any(is_one(self.storage) for is_one in numeric):
            raise InputError(
                f"keys are text or numbers, however: column {spec.name!r} is {spec.storage}. Model it as it is, or drop it ({flag('drop', spec.name)})."
            )
        self.marks: np.ndarray = np.zeros(0, bool)
        self.ending = ""
        """``.0`` where text keeps whole numbers so."""
        self.check: str | None = None
        """The scheme of :mod:`lookalike.schema.checksums` that keys keep; their forms and numbers are then those without the check."""
        self.missing = 0.0
        """Share of cells that hold no key."""
        self.unit = 0
        """What the place that new serial numbers are counted from is a multiple of; 0 where that is not beyond the old ones."""
        self.times: list[int] = []
        """How many rows a key may have, ascending; none where every row has a key of its own."""
        self.shared_by: list[int] = []
        """How many real keys have so many rows each."""

    def fit(self, keys: pa.Array) -> None:
        keys = without_nan(keys.cast(self.storage))
        if self.spec.role != "primary_key":
            self.missing = keys.null_count / max(len(keys), 1)
        keys = keys.drop_null()
        if len(keys) == 0:
            raise InputError(
                f"a key needs values to learn its form from, however: column {self.spec.name!r} is all missing. Drop it ({flag('drop', self.spec.name)})."
            )
        self.ending = ""
        texts = self._texts(keys.unique())  # a form is known by the keys that have it, not by their rows
        if is_text(self.storage) and self.spec.pattern is None and all(text.endswith(WITH_POINT) for text in texts):
            self.ending, texts = WITH_POINT, [text.removesuffix(WITH_POINT) for text in texts]
        self.is_number, self.serial, self.unit = self._are_numbers(texts), False, 0
        self.check = None if self.spec.pattern is not None else checksums.detect(texts)
        texts = self._without_check(texts)
        if self.is_number:
            self._fit_numbers(np.array([int(text) for text in texts], dtype=object))
        elif self.spec.pattern is not None:
            self.forms, self.weights = [self.spec.pattern], [1]
        else:
            self.forms, self.weights = forms.learn(texts)
        if self.spec.repeated:
            self.count(keys)
        self.marks = np.zeros(0, bool)
        if not self.serial:
            self.marks = np.zeros(max(8, 1 << int(np.ceil(np.log2(max(len(texts), 1))))), bool)
            self.avoid(keys)

    def _texts(self, keys: pa.Array | pa.ChunkedArray) -> list[str]:
        """The keys that are there, as texts: whole numbers without a point."""
        there = without_nan(keys).drop_null()
        if pa.types.is_floating(self.storage) or pa.types.is_decimal(self.storage):
            return [str(int(key)) if key == int(key) else str(key) for key in there.to_pylist()]
        return [text.removesuffix(self.ending) for text in there.cast(pa.string()).to_pylist()]

    def _without_check(self, texts: list[str]) -> list[str]:
        return texts if self.check is None else list(map(checksums.SCHEMES[self.check].without, texts))

    def _are_numbers(self, texts: list[str]) -> bool:
        if pa.types.is_floating(self.storage) or pa.types.is_decimal(self.storage):
            return all(text.removeprefix("-").isdigit() for text in texts)
        if is_text(self.storage) and self.spec.pattern is None:
            return all(text.isdigit() and (text[0] != "0" or text == "0") for text in texts)
        return pa.types.is_integer(self.storage)

    def count(self, keys: pa.Array) -> None:
        """Learn how many rows a key has."""
        rows = np.array(pc.value_counts(without_nan(keys.cast(self.storage)).drop_null()).field("counts"))
        descending = -np.sort(-rows)
        starts: np.ndarray = np.arange(0, len(rows), CROWD)
        if len(rows) % CROWD and len(starts) > 1:
            starts = starts[:-1]  # the last crowd takes in those left over
        sizes: np.ndarray = np.diff([*starts, len(rows)])
        means = np.maximum(np.rint(np.add.reduceat(descending, starts) / sizes), 1).astype(int)
        times, places = np.unique(means, return_inverse=True)
        self.times, self.shared_by = times.tolist(), np.bincount(places, weights=sizes).astype(int).tolist()

    def make_up(self) -> None:
        """Settle the form without a look at any key, for differential privacy: the declared pattern, whole numbers from 1, or
        twelve letters and digits. New keys may then be old ones, by chance: to avoid those would be to know them."""
        self.is_number = not is_text(self.storage)
        self.serial, self.low, self.high = self.is_number, 1, 2**63
        self._keep_to_type()
        self.forms, self.weights = [self.spec.pattern or UNKNOWN_FORM], [1]
        self.marks = np.zeros(8, bool)

    def _fit_numbers(self, numbers: np.ndarray) -> None:
        low, high = min(numbers), max(numbers)
        filled = len(set(numbers.tolist())) / (high - low + 1)
        unit = 10 ** max(len(str(high - low)) - 1, 0)
        # rounded outwards to the leading digit, so that neither extreme is given away
        self.low, self.high = low // unit * unit, (high // unit + 1) * unit
        self.serial = filled >= SERIAL_SHARE
        if filled >= GAPLESS_SHARE:
            self.low = low if low in (0, 1) else self.low
        elif self.serial:
            self.low, self.unit = self.high, unit
        if self.serial:
            self.high = self.low + 2**63
        self._keep_to_type()

    def _keep_to_type(self) -> None:
        """No number is made that the column's type does not hold."""
        if pa.types.is_integer(self.storage):
            limits = np.iinfo(self.storage.to_pandas_dtype())
            low, high = int(limits.min), int(limits.max) + 1
        elif pa.types.is_decimal(self.storage):
            high = 10 ** (self.storage.precision - self.storage.scale)
            low = 1 - high
        else:
            return
        if self.check is not None:
            high //= 10  # the last digit is the check
        self.low, self.high = max(self.low, low), min(self.high, high)

    def avoid(self, keys: pa.Array | pa.ChunkedArray) -> None:
        """Mark more keys (those of a holdout) as never to be given out."""
        if self.unit:
            beyond = [int(text) for text in self._without_check(self._texts(keys)) if int(text) >= self.low]
            self.low = (max(beyond) // self.unit + 1) * self.unit if beyond else self.low
            self._keep_to_type()
        elif not self.serial:
            texts = self._texts(keys)
            for start in range(0, len(texts), BLOCK):
                self.marks[self.buckets(np.array(texts[start : start + BLOCK], dtype=str))] = True

    def buckets(self, texts: np.ndarray) -> np.ndarray:
        """(n,) texts → (n,) int64 buckets: a hash of their characters, all texts at once."""
        characters = np.ascontiguousarray(texts).view(np.uint32).reshape(len(texts), -1)
        hashed: np.ndarray = np.full(len(texts), derive_seed(0, "keys", self.spec.name), np.uint64)
        for place, column in enumerate(characters.T):
            hashed = np.where(column > 0, pattern.mix(hashed ^ column, place), hashed)  # 0 fills up shorter texts
        return (hashed % np.uint64(len(self.marks))).astype(np.int64)

    def stream(self, seed: int) -> KeyStream:
        """A fresh, endless supply of keys for one sampled table."""
        return KeyStream(self, seed)

    def state(self) -> dict[str, Any]:
        kept: dict[str, Any] = {
            "is_number": self.is_number,
            "serial": self.serial,
            "marks": np.packbits(self.marks).tobytes().hex(),
            "buckets": len(self.marks),
            "ending": self.ending,
            "check": self.check,
            "missing": self.missing,
            "times": self.times,
            "shared_by": self.shared_by,
        }
        return (
            {**kept, "low": self.low, "high": self.high}
            if self.is_number
            else {**kept, "forms": self.forms, "weights": self.weights}
        )

    def restore(self, state: dict[str, Any]) -> None:
        self.is_number, self.serial = state["is_number"], state["serial"]
        self.missing, self.ending, self.check = state["missing"], state["ending"], state["check"]
        self.times, self.shared_by = state["times"], state["shared_by"]
        self.marks = np.unpackbits(np.frombuffer(bytes.fromhex(state["marks"]), np.uint8))[: state["buckets"]].astype(
            bool
        )
        if self.is_number:
            self.low, self.high = state["low"], state["high"]
        else:
            self.forms, self.weights = state["forms"], state["weights"]
