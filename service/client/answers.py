"""Answers of a service about spaces, tables, guides, uploads and architectures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spaces.architecture import Architecture


@dataclass(frozen=True)
class Space:
    """A search space.

    Args:
        name: Name by which requests refer to it.
        architectures: Number of its architectures; None if the space cannot be used.
        choices: Choice -> its candidates.
        error: Reason why it cannot be used; None if it can.

    Example:
        >>> from service.client import Space
        >>> space = Space.from_dict(
        ...     {"name": "tiny", "architectures": 4, "choices": {"a": ["3", "5"], "b": ["0", "1"]}}
        ... )
        >>> space.architectures, list(space.choices)
        (4, ['a', 'b'])
    """

    name: str
    architectures: int | None
    choices: Mapping[str, list[str]]
    error: str | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Space:
        """Read an answer of the service."""
        return cls(
            value["name"],
            value.get("architectures"),
            value.get("choices") or {},
            value.get("error"),
        )


@dataclass(frozen=True)
class Table:
    """A lookup table of a device under certain conditions.

    Args:
        name: Name by which requests refer to it.
        space: Space whose blocks were measured; None if the table cannot be used.
        device: Description of the device.
        conditions: Batch, precision, threads and runtime of the measurements.
        sha256: Digest of the content; None if the table cannot be used.
        error: Reason why it cannot be used; None if it can.
        owner: Name of the token whose library has it, or `shared`; None without tokens.

    Example:
        >>> from service.client import Table
        >>> table = Table.from_dict(
        ...     {"name": "my-cpu", "space": "spos-tiny", "conditions": {"batch": 1, "threads": 1}}
        ... )
        >>> table.conditions["threads"]
        1
    """

    name: str
    space: str | None
    device: Mapping[str, Any]
    conditions: Mapping[str, Any]
    sha256: str | None
    error: str | None = None
    owner: str | None = None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Table:
        """Read an answer of the service."""
        return cls(
            name=value["name"],
            space=value.get("space"),
            device=value.get("device") or {},
            conditions=value.get("conditions") or {},
            sha256=value.get("sha256"),
            error=value.get("error"),
            owner=value.get("owner"),
        )


@dataclass(frozen=True)
class Guide:
    """A predictor, supernet or benchmark that can guide a search.

    Args:
        kind: predictor, supernet or benchmark.
        name: Name by which requests refer to it.
        space: Space whose architectures it scores; None if it cannot be used.
        error: Reason why it cannot be used; None if it can.
        owner: Name of the token whose library has a predictor, or `shared`; None for other kinds
            and without tokens.
        task: Task of a supernet; None for other kinds.
        metric: Metric that a predictor was trained on; None for other kinds, and where it is not
            recorded.

    Example:
        >>> from service.client import Guide
        >>> guide = Guide.from_dict(
        ...     "predictor", {"name": "gates", "space": "spos-tiny", "metric": "top1"}
        ... )
        >>> guide.name, guide.metric
        ('gates', 'top1')
    """

    kind: str
    name: str
    space: str | None
    error: str | None = None
    owner: str | None = None
    task: str | None = None
    metric: str | None = None

    @classmethod
    def from_dict(cls, kind: str, value: Mapping[str, Any]) -> Guide:
        """Read an answer of the service."""
        fields = ("space", "error", "owner", "task", "metric")
        return cls(kind, value["name"], **{name: value.get(name) for name in fields})


@dataclass(frozen=True)
class Range:
    """Range of a cost over the architectures of a space.

    Args:
        least: Least cost of any architecture.
        greatest: Greatest cost of any architecture.
        unit: Unit of both, such as ms.
        sigma: Standard deviation of measurements from estimates; None if it is unknown.
        exact: Whether the bounds are those of architectures, rather than outside of them.

    Example:
        >>> from service.client import Range
        >>> latency = Range(least=1.5, greatest=6.0, unit="ms", sigma=0.05, exact=True)
        >>> latency.greatest / latency.least
        4.0
    """

    least: float
    greatest: float
    unit: str
    sigma: float | None
    exact: bool


@dataclass(frozen=True)
class Bounds:
    """Ranges of the costs of a space's architectures on the device of a table.

    Args:
        table: Name of the table.
        space: Canonical name of the space.
        metrics: Metric -> its range.

    Example:
        >>> from service.client import Bounds
        >>> latency = {"least": 1.5, "greatest": 6.0, "unit": "ms", "sigma": None, "exact": True}
        >>> bounds = Bounds.from_dict(
        ...     {"table": "my-cpu", "space": "spos-tiny", "metrics": {"latency_ms": latency}}
        ... )
        >>> bounds.metrics["latency_ms"].greatest
        6.0
    """

    table: str
    space: str
    metrics: Mapping[str, Range]

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Bounds:
        """Read an answer of the service."""
        ranges = {metric: Range(**costs) for metric, costs in value["metrics"].items()}
        return cls(value["table"], value["space"], ranges)


@dataclass(frozen=True)
class Prediction:
    """Predicted score and costs of an architecture.

    Args:
        architecture: The architecture.
        score: Predicted score; greater is better.
        deviation: Standard deviation of the score.
        costs: Metric -> estimate.

    Example:
        >>> import spaces
        >>> from service.client import Prediction
        >>> architecture = spaces.get("spos-tiny").architecture([0] * 6)
        >>> prediction = Prediction.from_dict(
        ...     {
        ...         "architecture": architecture.to_dict(),
        ...         "score": -0.31,
        ...         "deviation": 0.02,
        ...         "costs": {"latency_ms": 2.4},
        ...     }
        ... )
        >>> prediction.architecture == architecture, prediction.costs
        (True, {'latency_ms': 2.4})
    """

    architecture: Architecture
    score: float
    deviation: float
    costs: Mapping[str, float]

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Prediction:
        """Read an answer of the service."""
        architecture = Architecture.from_dict(value["architecture"])
        return cls(architecture, value["score"], value["deviation"], value["costs"])


@dataclass(frozen=True)
class Uploaded:
    """One version of an uploaded file; its content never changes.

    Args:
        kind: Kind of the file, such as table.
        name: Name by which requests refer to its latest version.
        version: Number that counts from 1.
        sha256: Digest of the content.
        owner: Name of the token whose library has it, or `shared`; None without tokens.

    Example:
        >>> from service.client import Uploaded
        >>> uploaded = Uploaded.from_dict(
        ...     {"kind": "table", "name": "cpu", "version": 2, "sha256": "9f86", "owner": "ada"}
        ... )
        >>> uploaded.version, uploaded.qualified_name
        (2, 'ada/cpu')
    """

    kind: str
    name: str
    version: int
    sha256: str
    owner: str | None = None

    @property
    def qualified_name(self) -> str:
        """Name that means this file whatever is uploaded later; the plain one without tokens."""
        return self.name if self.owner is None else f"{self.owner}/{self.name}"

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Uploaded:
        """Read an answer of the service."""
        return cls(
            value["kind"], value["name"], value["version"], value["sha256"], value.get("owner")
        )


@dataclass(frozen=True)
class RefinedTable:
    """A version of a table with further measured networks.

    Args:
        uploaded: The version.
        added: Number of networks that were added.
        networks: Number of all its measured networks.
        sigma_before_ms: Deviation of measurements from the table's estimates before; None where it
            is unknown.
        sigma_ms: The same now.

    Example:
        >>> from service.client import RefinedTable
        >>> table = RefinedTable.from_dict(
        ...     {"kind": "table", "name": "cpu", "version": 2, "sha256": "9f86", "added": 5}
        ...     | {"networks": 205, "sigma_before_ms": 0.2, "sigma_ms": 0.15}
        ... )
        >>> table.uploaded.version, table.added
        (2, 5)
    """

    uploaded: Uploaded
    added: int
    networks: int
    sigma_before_ms: float | None
    sigma_ms: float | None

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> RefinedTable:
        """Read an answer of the service."""
        names = ("added", "networks", "sigma_before_ms", "sigma_ms")
        return cls(Uploaded.from_dict(value), *(value[name] for name in names))
