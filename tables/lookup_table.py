"""LookupTable: what the blocks of a space cost on one device, as measured."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidBlock, InvalidFile, UnknownName
from spaces.files import read_text, write_text
from tables.errors import InvalidTable
from tables.records import BlockCost as BlockCost
from tables.records import Measurement as Measurement
from tables.records import NetworkSample as NetworkSample
from tables.schema import check, table_schema

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.cost.model import CostModel

FORMAT, VERSION = "pathfit-lookup-table", 1


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
        measurement: rounds, budget and the reference network; None for an imported table.
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
    measurement: Measurement | None
    blocks: Mapping[str, BlockCost] = field(repr=False)
    networks: tuple[NetworkSample, ...] = field(repr=False)

    @property
    def measured(self) -> Measurement:
        """How the profiler measured the table; raises InvalidTable where it was imported."""
        if self.measurement is None:
            raise InvalidTable(
                f"the table {self.name!r} was imported: it has no reference network to measure"
                " beside"
            )
        return self.measurement

    def network_latencies(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Codes [n, choices] and latency_ms [n] of the whole-network samples, drift divided out.

        A sample is the median of its runs times (reference over all rounds / reference in its
        round).
        """
        if self.measurement is None:
            return np.zeros((0, 0), dtype=np.int64), np.zeros(0)
        codes = np.array([sample.codes for sample in self.networks], dtype=np.int64)
        drift = np.array(
            [self.measurement.reference_ms / sample.reference_ms for sample in self.networks]
        )
        return codes, np.array([np.median(sample.latency_ms) for sample in self.networks]) * drift

    def network_disturbance(self, sums: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """What each whole-network sample's own blocks took in its turn over what they take by the
        table, [n].

        Args:
            sums: block sums [n] of the samples by this table.

        Returns:
            About 1 where nothing disturbed the turn; None where blocks were not timed.
        """
        own = [sample.blocks_ms for sample in self.networks]
        if self.measurement is None or None in own:
            return None
        drift = np.array(
            [self.measurement.reference_ms / sample.reference_ms for sample in self.networks]
        )
        disturbance: NDArray[np.float64] = np.array(own, dtype=float) * drift / sums
        return disturbance

    def network_noise(self) -> NDArray[np.float64]:
        """Deviation of each whole-network sample [n], in milliseconds, as the spread of its own
        runs tells it.

        The relative deviation of a run is pooled over all samples (the median of their standard
        deviations). The median of n normal runs has at least pi / (2 (n + pi/2 - 1)) of one run's
        variance for odd n: exact for n = 1, by 2% too small for 3, and right in the limit. 0 where
        no sample has two runs. What disturbs all runs of a turn alike is not in it.
        """
        runs = [np.array(sample.latency_ms) for sample in self.networks]
        spreads = [times.std(ddof=1) / np.median(times) for times in runs if len(times) > 1]
        spread = float(np.median(spreads)) if spreads else 0.0
        counts = np.array([len(times) for times in runs], dtype=float)
        # An even number is taken for the next odd one, which is on the safe side.
        counts += counts % 2 == 0
        variances = np.pi / (2 * (counts + np.pi / 2 - 1))
        noise: NDArray[np.float64] = self.network_latencies()[1] * spread * np.sqrt(variances)
        return noise

    def cost_model(
        self, space: SearchSpace, metric: str = "latency_ms", correction: str = "ridge"
    ) -> CostModel:
        """The cost of a space's architectures on this table; see `tables.cost.model.CostModel`.

        Args:
            space: whose architectures.
            metric: `latency_ms`, `macs`, `params`, `memory_bytes` or `energy_mj`.
            correction: of latency and energy: `ridge`, `linear`, `mlp`, `none`, or `best`, by
                cross-validation.

        Raises:
            MissingBlock: the table lacks a block of the space.
            MissingFigures: the table has no figures of the memory, or none of the energy.
            UnknownName: no such metric or correction.
        """
        from tables.cost.builders import build_model

        return build_model(self, space, metric, correction)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `schema.json` describes."""
        return {
            "format": FORMAT,
            "version": VERSION,
            **{key: getattr(self, key) for key in ("name", "space")},
            **{key: dict(getattr(self, key)) for key in ("device", "conditions", "versions")},
            **{key: getattr(self, key) for key in ("created", "command", "seed")},
            "measurement": None if self.measurement is None else self.measurement.to_dict(),
            "blocks": {key: cost.to_dict() for key, cost in self.blocks.items()},
            "networks": [sample.to_dict() for sample in self.networks],
        }

    def to_json(self) -> str:
        """JSON text with one block and one network a line, for people and for diffs."""
        value = self.to_dict()
        blocks, networks = value.pop("blocks"), value.pop("networks")
        head = json.dumps(value, indent=1).removesuffix("\n}")
        lines = ",\n".join(
            f"  {json.dumps(key)}: {json.dumps(cost)}" for key, cost in blocks.items()
        )
        samples = ",\n".join(f"  {json.dumps(sample)}" for sample in networks)
        return f'{head},\n "blocks": {{\n{lines}\n }},\n "networks": [\n{samples}\n ]\n}}\n'

    def save(self, path: str | Path) -> None:
        """Write the table as JSON, all or nothing."""
        write_text(path, self.to_json())

    @classmethod
    def from_dict(cls, value: Any) -> LookupTable:
        """Read the object that `to_dict` gives.

        Raises:
            InvalidTable: the schema is broken, or a block's counts are not those of its key; the
                place is named.
        """
        check(value, table_schema())
        blocks = {key: BlockCost(**cost) for key, cost in value["blocks"].items()}
        for key, cost in blocks.items():
            _check_block(key, cost)
        measurement = (
            None if value["measurement"] is None else Measurement.from_dict(value["measurement"])
        )
        samples = [
            NetworkSample(
                **{**item, "codes": tuple(item["codes"]), "latency_ms": tuple(item["latency_ms"])}
            )
            for item in value["networks"]
        ]
        if measurement is None and samples:
            raise InvalidTable("networks: an imported table (measurement: null) has none")
        references = () if measurement is None else measurement.reference_codes
        if measurement is not None and not references:
            raise InvalidTable("measurement.reference.codes: no reference network")
        length = len(references[0]) if references else 0
        for place, codes in (
            *(
                (f"measurement.reference.codes[{index}]", row)
                for index, row in enumerate(references)
            ),
            *((f"networks[{index}].codes", sample.codes) for index, sample in enumerate(samples)),
        ):
            if len(codes) != length:
                raise InvalidTable(f"{place}: {len(codes)} codes where others have {length}")
        return cls(
            **{key: value[key] for key in ("name", "space", "device", "conditions", "versions")},
            **{key: value[key] for key in ("created", "command", "seed")},
            measurement=measurement,
            blocks=blocks,
            networks=tuple(samples),
        )

    @classmethod
    def from_json(cls, text: str) -> LookupTable:
        """Read a table from JSON text; raises InvalidTable."""
        try:
            value = json.loads(text)
        except (
            ValueError,
            RecursionError,
        ) as error:  # also numbers and nesting beyond Python's limits
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
    from spaces.user_model.block import is_own

    if not math.isfinite(cost.latency_ms):
        raise InvalidTable(f"blocks.{key}.latency_ms: {cost.latency_ms} is not finite")
    if is_own(key):
        return  # its counts are those of the user's code, which is not in the key
    try:
        block = Block.from_key(key)
        counts = {"macs": block.macs, "params": block.params}
    except (InvalidBlock, UnknownName) as error:
        raise InvalidTable(f"blocks: {error}") from error
    except (
        ValueError,
        ArithmeticError,
        LookupError,
    ) as error:  # shapes that the operator cannot have
        raise InvalidTable(f"blocks: {key!r:.80} has impossible shapes: {error}") from error
    for name, count in counts.items():
        if getattr(cost, name) != count:
            raise InvalidTable(
                f"blocks.{key}.{name}: {getattr(cost, name)} where the block has {count}"
            )
