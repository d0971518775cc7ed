"""Measured latencies of whole networks, next to the table whose references were timed with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidFile
from spaces.files import read_text, write_text
from spaces.formats.json_text import bounded_int
from tables.errors import InvalidMeasurements, InvalidTable
from tables.lookup_table import LookupTable
from tables.medians import relative_errors
from tables.records import NetworkSample
from tables.schema import check

FORMAT = "pathfit-network-measurements"
VERSION = 1

_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
_ROUNDS = {"type": "array", "minItems": 1, "items": _POSITIVE}
_CODES = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}
_SCHEMA = {
    "type": "object",
    "required": [
        *("format", "version", "table", "space", "device", "conditions", "versions", "created"),
        *("reference", "networks"),
    ],
    "properties": {
        "format": {"enum": [FORMAT]},
        "version": {"enum": [VERSION]},
        "table": {"type": "string"},
        "space": {"type": "string"},
        "device": {"type": "object", "required": ["kind", "processor"]},
        "conditions": {
            "type": "object",
            "required": ["backend", "batch", "precision", "threads"],
        },
        "versions": {"type": "object", "additionalProperties": {"type": "string"}},
        "created": {"type": "string"},
        "reference": {
            "type": "object",
            "required": ["codes", "latency_ms"],
            "properties": {
                "codes": {"type": "array", "minItems": 1, "items": _CODES},
                "latency_ms": _POSITIVE,
            },
        },
        "networks": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["codes", "latency_ms", "reference_ms"],
                "properties": {"codes": _CODES, "latency_ms": _ROUNDS, "reference_ms": _ROUNDS},
            },
        },
    },
}


@dataclass(frozen=True)
class MeasuredNetwork:
    """The latencies of one network in interleaved rounds.

    Args:
        codes: Codes of the architecture.
        latency_ms: Latency in each round, in milliseconds.
        reference_ms: Mean latency of the table's reference networks around each of them.

    Example:
        >>> network = MeasuredNetwork((0, 1), (2.2, 2.0, 2.1), (1.1, 1.0, 1.0))
        >>> network.median_ms
        2.1
    """

    codes: tuple[int, ...]
    latency_ms: tuple[float, ...]
    reference_ms: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Median latency over the rounds, as it was measured."""
        return float(np.median(self.latency_ms))

    @property
    def iqr_ms(self) -> float:
        """Inter-quartile range of the latency over the rounds."""
        low, high = np.percentile(self.latency_ms, [25, 75])
        return float(high - low)

    def drift_corrected(self, reference_ms: float) -> NDArray[np.float64]:
        """Return the latencies [rounds] in the machine's state at a table's build.

        Args:
            reference_ms: Latency of the references in the table.
        """
        # Divided round by round: the machine's speed may jump between two rounds.
        ratios: NDArray[np.float64] = np.array(self.latency_ms) / np.array(self.reference_ms)
        return ratios * reference_ms

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "codes": list(self.codes),
            "latency_ms": list(self.latency_ms),
            "reference_ms": list(self.reference_ms),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> MeasuredNetwork:
        """Read the object that `to_dict` returns; the caller has checked its types."""
        columns = (tuple(value[key]) for key in ("codes", "latency_ms", "reference_ms"))
        return cls(*columns)


@dataclass(frozen=True)
class NetworkMeasurements:
    """Networks that were measured under the conditions of a table.

    Args:
        table: Name of the table.
        space: Canonical name of the table's space.
        device: Identity of the processor that ran the networks.
        conditions: Backend, batch, precision and threads.
        versions: Name -> version of the software that ran.
        created: UTC time of creation, ISO 8601.
        reference_codes: Codes of the table's reference networks.
        reference_ms: Their latency in the table.
        networks: The measured networks.
    """

    table: str
    space: str
    device: Mapping[str, Any]
    conditions: Mapping[str, Any]
    versions: Mapping[str, str]
    created: str
    reference_codes: tuple[tuple[int, ...], ...]
    reference_ms: float
    networks: tuple[MeasuredNetwork, ...] = ()

    @classmethod
    def for_table(
        cls, table: LookupTable, device: Mapping[str, Any], versions: Mapping[str, str]
    ) -> NetworkMeasurements:
        """Return empty measurements for a table.

        Args:
            table: Table that was measured, not imported.
            device: Identity of the device on which the networks are measured.
            versions: Versions of the software that runs them.
        """
        return cls(
            table=table.name,
            space=table.space,
            device=dict(device),
            conditions=dict(table.conditions),
            versions=dict(versions),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            reference_codes=table.measured.reference_codes,
            reference_ms=table.measured.reference_ms,
        )

    def with_networks(self, networks: tuple[MeasuredNetwork, ...]) -> NetworkMeasurements:
        """Return the measurements with further networks."""
        return replace(self, networks=self.networks + networks)

    def latency_ms(self, network: MeasuredNetwork) -> float:
        """Return a network's median latency in the machine's state at the table's build."""
        return float(np.median(network.drift_corrected(self.reference_ms)))

    def relative_error(self, network: MeasuredNetwork) -> float:
        """Return the standard error of `latency_ms`, divided by it; 0 of a single round."""
        return float(relative_errors(network.drift_corrected(self.reference_ms)))

    def error_ms(self, network: MeasuredNetwork) -> float:
        """Return the standard error of `latency_ms`; 0 of a single round, which has no spread."""
        return self.relative_error(network) * self.latency_ms(network)

    def check_matches(self, table: LookupTable) -> None:
        """Check that latencies compare with a table's.

        Raises:
            InvalidMeasurements: Space, device, conditions or reference networks are others; the
                message names both values.
        """
        pairs = [
            ("space", self.space, table.space),
            ("device.processor", self.device["processor"], table.device["processor"]),
            ("device.kind", self.device["kind"], table.device["kind"]),
        ]
        # A runtime may add conditions of its own, such as the allocator.
        names = sorted({*self.conditions, *table.conditions})
        pairs += [
            (f"conditions.{name}", self.conditions.get(name), table.conditions.get(name))
            for name in names
            if name != "affinity"
        ]
        for field, measured, expected in pairs:
            if measured != expected:
                raise InvalidMeasurements(
                    f"{field}: the networks were measured with {measured!r}, the table"
                    f" {table.name!r} with {expected!r}; measure them again with --table"
                    f" {table.name}"
                )

        if self.reference_codes != table.measured.reference_codes:
            raise InvalidMeasurements(
                f"reference.codes: the networks were measured next to the reference networks of"
                f" {self.table!r}, which are not those of {table.name!r}; measure them again with"
                f" --table {table.name}"
            )

    def samples(self, table: LookupTable) -> tuple[NetworkSample, ...]:
        """Return the networks as samples of a table, one of each network.

        Args:
            table: Table whose references were timed next to the networks.
        """
        reference_ms = table.measured.reference_ms
        return tuple(
            NetworkSample(
                network.codes,
                table.measured.rounds,
                # The rounds' own drift is divided out already: a sample has one reference latency.
                tuple(round(float(ms), 6) for ms in network.drift_corrected(reference_ms)),
                reference_ms,
            )
            for network in self.networks
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "table": self.table,
            "space": self.space,
            "device": dict(self.device),
            "conditions": dict(self.conditions),
            "versions": dict(self.versions),
            "created": self.created,
            "reference": {
                "codes": [list(row) for row in self.reference_codes],
                "latency_ms": self.reference_ms,
            },
            "networks": [network.to_dict() for network in self.networks],
        }

    def save(self, path: str | Path) -> None:
        """Write the measurements as JSON, all or nothing."""
        write_text(path, json.dumps(self.to_dict(), indent=1) + "\n")

    @classmethod
    def from_dict(cls, value: Any) -> NetworkMeasurements:
        """Read the object that `to_dict` returns; raises InvalidMeasurements."""
        try:
            check({"measurements": value}, {"properties": {"measurements": _SCHEMA}})
        except InvalidTable as error:
            raise InvalidMeasurements(str(error)) from error

        networks = tuple(map(MeasuredNetwork.from_dict, value["networks"]))
        reference = value["reference"]
        measurements = cls(
            **{key: value[key] for key in ("table", "space", "device", "conditions")},
            **{key: value[key] for key in ("versions", "created")},
            reference_codes=tuple(map(tuple, reference["codes"])),
            reference_ms=reference["latency_ms"],
            networks=networks,
        )

        length = len(measurements.reference_codes[0])
        for index, network in enumerate(networks):
            if len(network.codes) != length:
                raise InvalidMeasurements(
                    f"networks[{index}].codes: {len(network.codes)} codes where the reference"
                    f" networks have {length}"
                )
            if len(network.latency_ms) != len(network.reference_ms):
                raise InvalidMeasurements(
                    f"networks[{index}]: {len(network.latency_ms)} latencies, but"
                    f" {len(network.reference_ms)} of the references; each round has one of both"
                )
        return measurements

    @classmethod
    def read(cls, path: str | Path) -> NetworkMeasurements:
        """Read the file that `save` writes; raises InvalidMeasurements, which names the file."""
        try:
            return cls.from_dict(json.loads(read_text(path), parse_int=bounded_int))
        # Numbers and nesting beyond Python's limits raise these as well.
        except (ValueError, RecursionError) as error:
            raise InvalidMeasurements(f"{path}: not JSON: {error}") from error
        except (InvalidFile, InvalidMeasurements) as error:
            raise InvalidMeasurements(f"{path}: {error}") from error
