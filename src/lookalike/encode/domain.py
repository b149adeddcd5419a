"""What a private fit learned of its columns before its engine trained, kept in the run's folder.

A run that goes on from a checkpoint must go on with these codes: learned again they would be others, paid for a second time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.errors import TrainingError
from lookalike.ledger import Ledger, PrivacySettings
from lookalike.run import CODES, Run
from lookalike.schema import Schema

PARTS = ("asked", "schema", "learned", "encoder", "measured", "rows", "ledger")


def asked(
    columns: pa.Schema,
    declared: Schema | None,
    keys: Sequence[str],
    encoding: EncoderSettings,
    privacy: PrivacySettings,
) -> dict[str, Any]:
    """Return, as JSON, all that settles what is learned of columns but their rows and chance."""
    return {
        "columns": [[field.name, str(field.type)] for field in columns],
        "declared": None if declared is None else declared.to_dict(),
        "keys": list(keys),
        "encoder": encoding.model_dump(mode="json"),
        "privacy": privacy.model_dump(mode="json"),
    }


@dataclass(frozen=True)
class Domain:
    """Codes learned within a budget.

    Attributes
    ----------
    schema
        The columns, as what is public, declared or voted for says they are.
    encoder
        Their encoders.
    rows
        How many rows there are: as many as is public, or a noised count.
    ledger
        What all of it cost.
    """

    schema: Schema
    encoder: TableEncoder
    rows: int
    ledger: Ledger

    def keep(self, run: Run, asked: dict[str, Any]) -> None:
        """Write it to the run's folder, with what was :func:`asked` for. All of it is private."""
        measured = {
            name: [np.asarray(part).tolist() for part in (encoder.measured, encoder.deviations)]
            for name, encoder in self.encoder.encoders.items()
        }
        run.write_json(
            CODES,
            {
                "asked": asked,
                "schema": self.schema.to_dict(),
                "learned": self.encoder.schema.to_dict(),
                "encoder": self.encoder.state(),
                "measured": measured,
                "rows": self.rows,
                "ledger": self.ledger.to_dict(),
            },
        )

    @classmethod
    def kept(cls, run: Run, asked: dict[str, Any]) -> Domain | None:
        """What the run that is gone on with has learned; None where none is.

        Raises
        ------
        TrainingError
            It was asked for otherwise.
        """
        document = run.read_json(CODES, PARTS) if run.resume else None
        if document is None:
            return None
        if document["asked"] != json.loads(json.dumps(asked)):
            raise TrainingError(
                "a private run goes on as it began, however: columns, schema or settings of privacy are others now. Start without --resume."
            )
        encoder = TableEncoder.from_state(Schema.from_dict(document["learned"]), document["encoder"])
        for name, (measured, deviations) in document["measured"].items():
            one = encoder.encoders[name]
            one.measured, one.deviations = np.array(measured, np.float64), np.array(deviations, np.float64)
        return cls(
            Schema.from_dict(document["schema"]), encoder, document["rows"], Ledger.from_dict(document["ledger"])
        )
