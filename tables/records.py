"""The records of a lookup table: blocks, whole networks, and how they were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class BlockCost:
    """What one block costs.

    Args:
        latency_ms: median time.
        latency_iqr_ms: its inter-quartile range; None where an imported table does not tell it.
        samples: how many times were measured; None likewise.
        macs: multiply-accumulates for one image.
        params: learned numbers.
        activation_bytes: most bytes of activations held at once, for the batch; None where it was
            not read.
    """

    latency_ms: float
    latency_iqr_ms: float | None
    samples: int | None
    macs: int
    params: int
    activation_bytes: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; what was not read is left out."""
        return _without_none(asdict(self), "activation_bytes")


@dataclass(frozen=True)
class NetworkSample:
    """One whole network as it was measured in one round.

    Args:
        codes: the architecture's codes.
        round: the round's number.
        latency_ms: every run's time.
        reference_ms: what the reference networks took around it, the mean of them.
        energy_mj: of one run, in millijoules; None where the machine does not tell it.
        blocks_ms: sum of its blocks' times in the runs between; None where they were not timed.
    """

    codes: tuple[int, ...]
    round: int
    latency_ms: tuple[float, ...]
    reference_ms: float
    energy_mj: float | None = None
    blocks_ms: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; what was not read is left out."""
        plain = {**asdict(self), "codes": list(self.codes), "latency_ms": list(self.latency_ms)}
        return _without_none(plain, "energy_mj", "blocks_ms")


@dataclass(frozen=True)
class Measurement:
    """How a table was measured; see `schema.json` for the fields."""

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

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; what the machine does not tell is left out."""
        plain = asdict(self)
        codes, latency_ms = plain.pop("reference_codes"), plain.pop("reference_ms")
        for name in ("clock_mhz", "temperature_c"):
            plain[name] = None if plain[name] is None else list(plain[name])
        plain = _without_none(plain, "blocks", "memory", "clock_mhz", "temperature_c", "energy")
        return {
            **plain,
            "reference": {"codes": [list(row) for row in codes], "latency_ms": latency_ms},
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Measurement:
        """Read what `to_dict` gives, checked before."""
        given = dict(value)
        reference = given.pop("reference")
        series: dict[str, Any] = {
            name: tuple(given.pop(name)) for name in ("clock_mhz", "temperature_c") if name in given
        }
        codes = tuple(map(tuple, reference["codes"]))
        return cls(**given, **series, reference_codes=codes, reference_ms=reference["latency_ms"])


def _without_none(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None or key not in names}
