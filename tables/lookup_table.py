"""LookupTable: what the blocks of a space cost on one device, as measured."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidBlock, InvalidFile, UnknownName
from spaces.files import read_text, write_text
from tables.errors import InvalidTable
from tables.schema import check, table_schema

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.cost_model import CostModel

FORMAT, VERSION = "pathfit-lookup-table", 1


@dataclass(frozen=True)
class BlockCost:
    """What one block costs: time in milliseconds (median, inter-quartile range, samples), counts for one image."""

    latency_ms: float
    latency_iqr_ms: float
    samples: int
    macs: int
    params: int


@dataclass(frozen=True)
class NetworkSample:
    """One whole network as it was measured in one round.

    Args:
        codes: the architecture's codes.
        round: the round's number.
        latency_ms: every run's time.
        reference_ms: the reference network's median in the same round.
    """

    codes: tuple[int, ...]
    round: int
    latency_ms: tuple[float, ...]
    reference_ms: float


@dataclass(frozen=True)
class Measurement:
    """How a table was measured; see `schema.json` for the fields."""

    rounds: int
    seconds: float
    budget_s: float
    stopped_by: str
    standard_error: float
    reference_codes: tuple[int, ...]
    reference_ms: float

    def to_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        codes, latency_ms = plain.pop("reference_codes"), plain.pop("reference_ms")
        return {**plain, "reference": {"codes": list(codes), "latency_ms": latency_ms}}


@dataclass(frozen=True)
class LookupTable:
    """Measured costs of blocks, with the identity of the device and the raw whole-network samples.

    Args:
        name: what searches call it.
        space: canonical name of the space whose networks were sampled.
        device: identity of the processor.
        conditions: backend, batch, precision, threads.
        versions: software that ran.
        created: UTC, ISO 8601.
        command: what made the table.
        seed: of the sampled networks.
        measurement: rounds, budget and the reference network.
        blocks: block key -> cost.
        networks: raw samples of whole networks.
    """

    name: str
    space: str
    device: Mapping[str, Any]
    conditions: Mapping[str, Any]
    versions: Mapping[str, str]
    created: str
    command: str
    seed: int
    measurement: Measurement
    blocks: Mapping[str, BlockCost] = field(repr=False)
    networks: tuple[NetworkSample, ...] = field(repr=False)

    def network_latencies(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Codes [n, choices] and latency_ms [n] of the whole-network samples, drift divided out.

        A sample is the median of its runs times (reference over all rounds / reference in its round).
        """
        codes = np.array([sample.codes for sample in self.networks], dtype=np.int64)
        drift = np.array([self.measurement.reference_ms / sample.reference_ms for sample in self.networks])
        return codes, np.array([np.median(sample.latency_ms) for sample in self.networks]) * drift

    def cost_model(self, space: SearchSpace, metric: str = "latency_ms") -> CostModel:
        """The cost of a space's architectures on this table; see `tables.cost_model.CostModel`.

        Raises:
            MissingBlock: the table lacks a block of the space.
            UnknownName: no such metric.
        """
        from tables.cost_model import counting_model, latency_model

        if metric == "latency_ms":
            return latency_model(self, space)
        return counting_model(space, metric)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `schema.json` describes."""
        return {
            "format": FORMAT,
            "version": VERSION,
            **{key: getattr(self, key) for key in ("name", "space")},
            **{key: dict(getattr(self, key)) for key in ("device", "conditions", "versions")},
            **{key: getattr(self, key) for key in ("created", "command", "seed")},
            "measurement": self.measurement.to_dict(),
            "blocks": {key: asdict(cost) for key, cost in self.blocks.items()},
            "networks": [
                {**asdict(sample), "codes": list(sample.codes), "latency_ms": list(sample.latency_ms)}
                for sample in self.networks
            ],
        }

    def to_json(self) -> str:
        """JSON text with one block and one network a line, for people and for diffs."""
        value = self.to_dict()
        blocks, networks = value.pop("blocks"), value.pop("networks")
        head = json.dumps(value, indent=1).removesuffix("\n}")
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(cost)}" for key, cost in blocks.items())
        samples = ",\n".join(f"  {json.dumps(sample)}" for sample in networks)
        return f'{head},\n "blocks": {{\n{lines}\n }},\n "networks": [\n{samples}\n ]\n}}\n'

    def save(self, path: str | Path) -> None:
        """Write the table as JSON, all or nothing."""
        write_text(path, self.to_json())

    @classmethod
    def from_dict(cls, value: Any) -> LookupTable:
        """Read the object that `to_dict` gives.

        Raises:
            InvalidTable: the schema is broken, or a block's counts are not those of its key; the place is named.
        """
        check(value, table_schema())
        blocks = {key: BlockCost(**cost) for key, cost in value["blocks"].items()}
        for key, cost in blocks.items():
            _check_block(key, cost)
        measurement = dict(value["measurement"])
        reference = measurement.pop("reference")
        samples = [
            NetworkSample(tuple(item["codes"]), item["round"], tuple(item["latency_ms"]), item["reference_ms"])
            for item in value["networks"]
        ]
        length = len(reference["codes"])
        for index, sample in enumerate(samples):
            if len(sample.codes) != length:
                raise InvalidTable(f"networks[{index}].codes: {len(sample.codes)} codes where others have {length}")
        return cls(
            **{key: value[key] for key in ("name", "space", "device", "conditions", "versions")},
            **{key: value[key] for key in ("created", "command", "seed")},
            measurement=Measurement(
                **measurement, reference_codes=tuple(reference["codes"]), reference_ms=reference["latency_ms"]
            ),
            blocks=blocks,
            networks=tuple(samples),
        )

    @classmethod
    def from_json(cls, text: str) -> LookupTable:
        """Read a table from JSON text; raises InvalidTable."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:  # also numbers and nesting beyond Python's limits
            raise InvalidTable(f"not JSON: {error}") from error
        return cls.from_dict(value)

    @classmethod
    def read(cls, path: str | Path) -> LookupTable:
        """Read a table's file; the errors name the file."""
        try:
            return cls.from_json(read_text(path))
        except InvalidTable as error:
            raise InvalidTable(f"{path}: {error}") from error
        except InvalidFile as error:
            raise InvalidTable(str(error)) from error


def _check_block(key: str, cost: BlockCost) -> None:
    from spaces.block import Block

    try:
        block = Block.from_key(key)
        counts = {"macs": block.macs, "params": block.params}
    except (InvalidBlock, UnknownName) as error:
        raise InvalidTable(f"blocks: {error}") from error
    except (ValueError, ArithmeticError, LookupError) as error:  # shapes that the operator cannot have
        raise InvalidTable(f"blocks: {key!r:.80} has impossible shapes: {error}") from error
    for name, count in counts.items():
        if getattr(cost, name) != count:
            raise InvalidTable(f"blocks.{key}.{name}: {getattr(cost, name)} where the block has {count}")
    if not math.isfinite(cost.latency_ms):
        raise InvalidTable(f"blocks.{key}.latency_ms: {cost.latency_ms} is not finite")
