"""What an ensemble is made of, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from lookalike.errors import SettingsError
from lookalike.model.base import EngineSettings
from lookalike.model.members.member import Member, check_engine

COMMON = ("epochs", "device")
"""Settings that every member takes which has them."""


class EnsembleSettings(EngineSettings):
    """Settings of the engine ensemble."""

    weights: Literal["given", "equal", "learned"] = Field(
        "given",
        description="of the rows made: as given with each member, equal, or learned from rows that no member sees",
    )
    disjoint: bool = Field(False, description="no row is learned from by two members")
    epochs: int | None = Field(
        None, ge=1, description="passes over the table of every member that has epochs, in place of its own setting"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] | None = Field(
        None, description="auto, cpu, cuda or mps, for every member with a net, in place of its own setting"
    )
    workers: int | None = Field(
        None, ge=1, description="members trained at once, a core each; as many as there are cores when left out"
    )
    cluster: str | None = Field(
        None,
        description="members train on this Ray cluster: auto, local or ray://host:10001 (needs lookalike[cluster])",
    )
    cache: bool = Field(
        True, description="keep members, and do not train again what would become the same (see: lookalike cache)"
    )
    members: tuple[Member, ...] = Field(
        (Member(engine="autoregressive"), Member(engine="trees")), min_length=1, description="the members"
    )

    def heeds(self, name: str) -> bool:
        """As the base class; what is for every member that has it changes nothing where none has."""
        known = super().heeds(name)
        return known and (name not in COMMON or any(member.engine_settings().heeds(name) for member in self.members))

    def refuse_idle(self) -> None:
        """As the base class, of the members too."""
        super().refuse_idle()
        common = {name: getattr(self, name) for name in COMMON}
        for place, member in enumerate(self.members, start=1):
            try:
                member.engine_settings(**common).refuse_idle()
            except SettingsError as error:
                raise SettingsError(f"member {place} ({member.engine}): {error}") from None
            if self.weights != "given" and "weight" in member.changed:
                raise SettingsError(
                    f"a member's weight only matters with weights='given', however: member {place} ({member.engine}) has "
                    f"weight={member.weight:g} and weights={self.weights!r}. Leave one of the two out."
                )

    @field_validator("weights", mode="before")
    @classmethod
    def _said_in_a_word(cls, weights: Any) -> Any:
        if isinstance(weights, (list, tuple)):
            raise SettingsError(
                f"weights are given with each member, however: weights={list(weights)}. Leave it out, and write members as "
                f'{{"engine": "ctgan", "weight": 0.4}}.'
            )
        return weights

    @field_validator("members", mode="before")
    @classmethod
    def _each_by_itself(cls, members: Any) -> Any:
        """Build each member, so that what is wrong with one is said of that one; a text is the name of its engine."""
        if not isinstance(members, (list, tuple)):
            return members
        built = []
        for place, given in enumerate(members, start=1):
            values = {"engine": given} if isinstance(given, str) else given
            if not isinstance(values, (Mapping, Member)):
                raise SettingsError(
                    f"a member is an engine's name or a table of its settings, however: member {place} is neither."
                )
            try:
                member = Member.build(values) if isinstance(values, Mapping) else values
                check_engine(member.engine)
                member.engine_settings()
            except SettingsError as error:
                raise SettingsError(f"member {place}: {error}") from None
            built.append(member)
        return tuple(built)

    @model_validator(mode="after")
    def _shares_fit(self) -> EnsembleSettings:
        total = sum(self.shares)
        if self.disjoint and total > 1 + 1e-9:
            raise SettingsError(
                f"disjoint members share the rows among them, however: their rows add up to {total:g}. Let them add up to at most 1."
            )
        return self

    @property
    def shares(self) -> list[float]:
        """The share of the rows that each member learns from."""
        return [member.rows or (1 / len(self.members) if self.disjoint else 1.0) for member in self.members]
