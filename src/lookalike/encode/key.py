"""Keys are not modelled: new ones are counted out, unique by construction, in the form of the old ones, and never one of them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.encode import pattern
from lookalike.errors import InputError, SamplingError
from lookalike.rng import derive_seed
from lookalike.schema import ColumnSpec
from lookalike.schema.types import arrow_type, is_text

WIDEST = 2**62
DENSE_SHARE = 0.1
"""Integers that fill more of their range than this are serial numbers: they say nothing, so new ones are counted from the start."""


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
        self.spec = spec
        self.storage = arrow_type(spec.storage)

    def fit(self, keys: pa.Array) -> None:
        keys = keys.cast(self.storage).drop_null()
        if len(keys) == 0:
            raise InputError(
                f"a key needs values to learn its form from, however: column {self.spec.name!r} is all missing. Drop it (--drop {self.spec.name})."
            )
        texts = keys.cast(pa.string()).to_pylist()
        self.is_number = not is_text(self.storage) or (
            self.spec.pattern is None and all(text.isdigit() and text[0] != "0" for text in texts)
        )
        self.serial = False
        if (self.is_number and pa.types.is_integer(self.storage)) or (self.is_number and is_text(self.storage)):
            self._fit_numbers(np.array([int(text) for text in texts], dtype=object))
        elif self.spec.pattern is not None:
            self.forms, self.weights = [self.spec.pattern], [1]
        else:
            self.is_number = False
            self.forms, self.weights = pattern.learn(texts)
        self.marks: np.ndarray = np.zeros(0, bool)
        if not self.serial:
            self.marks = np.zeros(max(8, 1 << int(np.ceil(np.log2(max(len(texts), 1))))), bool)
            self.avoid(keys)

    def _fit_numbers(self, numbers: np.ndarray) -> None:
        low, high = min(numbers), max(numbers)
        self.serial = len(set(numbers.tolist())) >= DENSE_SHARE * (high - low + 1)
        unit = 10 ** max(len(str(high - low)) - 1, 0)
        # rounded outwards to the leading digit, so that neither extreme is given away
        self.low, self.high = low // unit * unit, (high // unit + 1) * unit
        if self.serial:
            self.low, self.high = (low if low in (0, 1) else self.low), 2**63
        if pa.types.is_integer(self.storage):
            limits = np.iinfo(self.storage.to_pandas_dtype())
            self.low, self.high = max(self.low, int(limits.min)), min(self.high, int(limits.max) + 1)

    def avoid(self, keys: pa.Array | pa.ChunkedArray) -> None:
        """Mark more keys (those of a holdout) as never to be given out."""
        if not self.serial:
            for text in keys.cast(pa.string()).drop_null().to_pylist():
                self.marks[self._bucket(text)] = True

    def _bucket(self, text: str) -> int:
        digest = hashlib.blake2b(text.encode("utf-8"), digest_size=8, key=self.spec.name.encode("utf-8")[:64]).digest()
        return int.from_bytes(digest, "little") % len(self.marks)

    def stream(self, seed: int) -> KeyStream:
        """A fresh, endless supply of keys for one sampled table."""
        return KeyStream(self, seed)

    def state(self) -> dict[str, Any]:
        kept: dict[str, Any] = {
            "is_number": self.is_number,
            "serial": self.serial,
            "marks": np.packbits(self.marks).tobytes().hex(),
            "buckets": len(self.marks),
        }
        return (
            {**kept, "low": self.low, "high": self.high}
            if self.is_number
            else {**kept, "forms": self.forms, "weights": self.weights}
        )

    def restore(self, state: dict[str, Any]) -> None:
        self.is_number, self.serial = state["is_number"], state["serial"]
        self.marks = np.unpackbits(np.frombuffer(bytes.fromhex(state["marks"]), np.uint8))[: state["buckets"]].astype(
            bool
        )
        if self.is_number:
            self.low, self.high = state["low"], state["high"]
        else:
            self.forms, self.weights = state["forms"], state["weights"]


class KeyStream:
    """Keys one after the other: each form counts through its texts in a shuffled order, so none comes twice."""

    def __init__(self, encoder: KeyEncoder, seed: int) -> None:
        self.encoder = encoder
        self.rng = np.random.default_rng(seed)
        if encoder.is_number:
            self.sizes = [encoder.high - encoder.low]
            self.weights: np.ndarray = np.ones(1)
        else:
            self.patterns = [pattern.from_regex(form, encoder.spec.name) for form in encoder.forms]
            self.sizes = [tree.size for tree in self.patterns]
            self.weights = np.asarray(encoder.weights, float) / sum(encoder.weights)
        self.seeds = [derive_seed(seed, "form", place) for place in range(len(self.sizes))]
        self.used = [0] * len(self.sizes)

    def take(self, rows: int) -> pa.Array:
        """Give ``rows`` more keys, in the column's own type.

        Raises
        ------
        SamplingError
            The form has no more texts to give.
        """
        forms = self.rng.choice(len(self.sizes), size=rows, p=self.weights).tolist()
        keys = [self._next(form) for form in forms]
        if self.encoder.is_number and not is_text(self.encoder.storage):
            return pa.array(keys, self.encoder.storage)
        return pa.array(list(map(str, keys)), pa.string()).cast(self.encoder.storage)

    def _next(self, form: int) -> Any:
        for place in (form, *range(len(self.sizes))):  # a form that is used up hands over to the others
            while self.used[place] < self.sizes[place]:
                index = self.used[place]
                self.used[place] += 1
                key = self._key(place, index)
                if self.encoder.serial or not self.encoder.marks[self.encoder._bucket(str(key))]:
                    return key
        name = self.encoder.spec.name
        raise SamplingError(
            f"keys must be unique and new, however: the form of column {name!r} has no more than {sum(self.used):,} texts, real ones included. "
            "Give it a wider pattern in the schema, or ask for fewer rows."
        )

    def _key(self, form: int, index: int) -> Any:
        if self.encoder.serial:
            return self.encoder.low + index
        shuffled = shuffled_index(index, self.sizes[form], self.seeds[form])
        return self.encoder.low + shuffled if self.encoder.is_number else self.patterns[form].pick(shuffled)


def shuffled_index(index: int, size: int, seed: int) -> int:
    """The ``index``-th entry of a seeded permutation of ``range(size)``, without making the permutation.

    A four-round Feistel network over the next even power of two, walked until it falls inside (Black and Rogaway 2002,
    "Ciphers with arbitrary finite domains", section 3). Beyond 2⁶² entries the upper part is drawn by hash, which
    keeps entries distinct.

    >>> sorted(shuffled_index(index, 10, seed=3) for index in range(10)) == list(range(10))
    True
    """
    if size > WIDEST:
        upper = derive_seed(seed, "upper", index) % (size // WIDEST)
        return upper * WIDEST + shuffled_index(index, WIDEST, seed)
    half = max((max(size - 1, 1).bit_length() + 1) // 2, 1)
    mask = (1 << half) - 1
    while True:
        left, right = index >> half, index & mask
        for turn in range(4):
            mixed = ((right + 1) * (0x9E3779B97F4A7C15 ^ (seed + turn * 0xD1B54A32D192ED03))) & 0xFFFFFFFFFFFFFFFF
            mixed ^= mixed >> 29
            mixed = (mixed * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
            left, right = right, left ^ ((mixed >> 32) & mask)
        index = left << half | right
        if index < size:
            return index
