"""What a service tells of the spaces, tables and guides that it knows, and of architectures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spaces.architecture import Architecture


@dataclass(frozen=True)
class Space:
    """A search space.

    Args:
        name: what requests call it.
        architectures: how many there are.
        choices: choice -> its candidates.
        error: why it cannot be used, None where it can.
    """

    name: str
    architectures: int | None
    choices: Mapping[str, list[str]]
    error: str | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Space:
        """Read what the service answers."""
        return cls(
            value["name"],
            value.get("architectures"),
            value.get("choices") or {},
            value.get("error"),
        )


@dataclass(frozen=True)
class Table:
    """A lookup table: a device under conditions.

    Args:
        name: what requests call it.
        space: whose blocks were measured.
        device: what it was measured on.
        conditions: batch, precision, threads and runtime.
        sha256: of its content.
        error: why it cannot be used, None where it can.
    """

    name: str
    space: str | None
    device: Mapping[str, Any]
    conditions: Mapping[str, Any]
    sha256: str | None
    error: str | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Table:
        """Read what the service answers."""
        known = {key: value.get(key) for key in ("space", "sha256", "error")}
        return cls(
            name=value["name"],
            device=value.get("device") or {},
            conditions=value.get("conditions") or {},
            **known,
        )


@dataclass(frozen=True)
class Guide:
    """A predictor, supernet or benchmark that can guide a search.

    Args:
        kind: predictor, supernet or benchmark.
        name: what requests call it.
        space: whose architectures it scores.
        error: why it cannot be used, None where it can.
    """

    kind: str
    name: str
    space: str | None
    error: str | None = None

    @classmethod
    def of(cls, kind: str, value: Mapping[str, Any]) -> Guide:
        """Read what the service answers."""
        return cls(kind, value["name"], value.get("space"), value.get("error"))


@dataclass(frozen=True)
class Range:
    """What a space's architectures cost.

    Args:
        least: of any.
        greatest: of any.
        unit: of both.
        sigma: deviation of measurements from estimates, None where it is not known.
        exact: whether no architecture costs less or more.
    """

    least: float
    greatest: float
    unit: str
    sigma: float | None
    exact: bool


@dataclass(frozen=True)
class Bounds:
    """What a space's architectures cost on a table's device.

    Args:
        table: its name.
        space: canonical name.
        metrics: metric -> its range.
    """

    table: str
    space: str
    metrics: Mapping[str, Range]

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Bounds:
        """Read what the service answers."""
        return cls(
            value["table"],
            value["space"],
            {name: Range(**found) for name, found in value["metrics"].items()},
        )


@dataclass(frozen=True)
class Prediction:
    """One architecture's predicted score and costs.

    Args:
        architecture: what it is.
        score: greater is better.
        deviation: of the score.
        costs: metric -> estimate.
    """

    architecture: Architecture
    score: float
    deviation: float
    costs: Mapping[str, float]

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Prediction:
        """Read what the service answers."""
        rest = {key: value[key] for key in ("score", "deviation", "costs")}
        return cls(Architecture.from_dict(value["architecture"]), **rest)


@dataclass(frozen=True)
class Uploaded:
    """One version of an upload; it never changes.

    Args:
        kind: of file, such as table.
        name: what requests call it.
        version: counts from 1; requests mean the newest.
        sha256: of its content.
    """

    kind: str
    name: str
    version: int
    sha256: str

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Uploaded:
        """Read what the service answers."""
        return cls(**{key: value[key] for key in ("kind", "name", "version", "sha256")})
