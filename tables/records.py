"""Records of a lookup table: blocks, whole networks, and the conditions of the measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class BlockCost:
    """The cost of one block.

    Args:
        latency_ms: Median latency in milliseconds.
        latency_iqr_ms: Inter-quartile range of the latency. None where an imported table does not
            record it.
        samples: Number of measured latencies. None where an imported table does not record it.
        macs: Multiply-accumulates for one image.
        params: Number of learned parameters.
        activation_bytes: Most bytes of activations held at once, for the table's batch. None where
            it was not measured.
    """

    latency_ms: float
    latency_iqr_ms: float | None
    samples: int | None
    macs: int
    params: int
    activation_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, without figures that were not measured."""
        return _without_none(asdict(self), "activation_bytes")


@dataclass(frozen=True)
class NetworkSample:
    """The measurements of one whole network in one round.

    Args:
        codes: Codes of the architecture.
        round: Number of the round.
        latency_ms: Latency of every run.
        reference_ms: Mean latency of the reference networks around it.
        energy_mj: Energy of one run in millijoules. None where the machine has no counter.
        blocks_ms: Sum of its blocks' latencies in the runs between. None where blocks were not
            timed.
        phase: Phase that was measured, such as `prefill`. None where networks have one only.
    """

    codes: tuple[int, ...]
    round: int
    latency_ms: tuple[float, ...]
    reference_ms: float
    energy_mj: float | None = None
    blocks_ms: float | None = None
    phase: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, without figures that were not measured."""
        plain = {**asdict(self), "codes": list(self.codes), "latency_ms": list(self.latency_ms)}
        return _without_none(plain, "energy_mj", "blocks_ms", "phase")


@dataclass(frozen=True)
class Measurement:
    """The circumstances of a table's measurement; `schema.json` describes the fields."""

    rounds: int
    seconds: float
    budget_s: float
    stopped_by: str
    standard_error: float
    reference_codes: tuple[tuple[int, ...], ...]
    reference_ms: float
    blocks: str | None = None
    memory: str | None = None
    clock_mhz: tuple[float, ...] | None = None
    temperature_c: tuple[float, ...] | None = None
    energy: str | None = None
    phases: Mapping[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, without figures that the machine does not report."""
        plain = asdict(self)
        codes = plain.pop("reference_codes")
        latency_ms = plain.pop("reference_ms")
        phases = plain.pop("phases")

        for name in ("clock_mhz", "temperature_c"):
            plain[name] = None if plain[name] is None else list(plain[name])

        plain = _without_none(plain, "blocks", "memory", "clock_mhz", "temperature_c", "energy")
        reference = {"codes": [list(row) for row in codes], "latency_ms": latency_ms}
        if phases is not None:
            reference["phases"] = dict(phases)
        return {**plain, "reference": reference}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Measurement:
        """Read the object that `to_dict` returns; the caller has checked it by the schema."""
        fields = dict(value)
        reference = fields.pop("reference")

        for name in ("clock_mhz", "temperature_c"):
            if name in fields:
                fields[name] = tuple(fields[name])

        codes = tuple(map(tuple, reference["codes"]))
        return cls(
            **fields,
            reference_codes=codes,
            reference_ms=reference["latency_ms"],
            phases=reference.get("phases"),
        )


def _without_none(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None or key not in names}
