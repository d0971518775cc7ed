"""LookupTable: the measured costs of a space's blocks on one device."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import InvalidBlock, InvalidFile, UnknownName
from spaces.files import read_text, write_text
from spaces.formats.json_text import bounded_int
from tables.errors import InvalidTable
from tables.records import BlockCost as BlockCost
from tables.records import Measurement as Measurement
from tables.records import NetworkSample as NetworkSample
from tables.schema import check, table_schema

if TYPE_CHECKING:
    from spaces.space import SearchSpace
    from tables.cost.model import CostModel

FORMAT = "pathfit-lookup-table"
VERSION = 1


@dataclass(frozen=True)
class LookupTable:
    """Measured costs of blocks, the identity of the device, and raw whole-network samples.

    Args:
        name: Name by which searches refer to the table.
        space: Canonical name of the space whose networks were sampled.
        device: Identity of the processor.
        conditions: Backend, batch, precision and threads of the measurement; of networks of text
            also the tokens of the prompt and of the cache.
        versions: Name -> version of the software that ran.
        created: UTC time of creation, ISO 8601.
        command: Command that made the table.
        seed: Seed of the sampled networks.
        measurement: Rounds, budget and reference networks. None for an imported table.
        blocks: Block key -> cost.
        networks: Raw samples of whole networks.
        sigma_ms: Standard deviation of a network's latency from the sum of its blocks, as the
            importer of a table without networks states it, or as the adaptation from other devices
            estimates it. None where it is unknown or follows from the networks.

    Example:
        >>> import spaces, tables
        >>> table = tables.load("amd-epyc-spos-b1-fp32-t2")
        >>> table.conditions["batch"]
        1
        >>> space = spaces.get("spos")
        >>> architecture = space.architecture([0] * len(space.choices))
        >>> bool(table.cost_model(space).estimate([architecture])[0] > 0)
        True
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
    sigma_ms: float | None = None

    @property
    def measured(self) -> Measurement:
        """The circumstances of the measurement; raises InvalidTable for an imported table."""
        if self.measurement is None:
            raise InvalidTable(
                f"the table {self.name!r} was imported: it has no reference network to measure with"
            )
        return self.measurement

    @property
    def phases(self) -> tuple[str, ...]:
        """Phases in which networks of text were measured; empty for other tables."""
        return () if self.measurement is None else tuple(self.measurement.phases or ())

    @property
    def latency_metrics(self) -> tuple[str, ...]:
        """Metrics of the latencies that it has: `latency_ms`, or one of each phase."""
        return tuple(f"{phase}_ms" for phase in self.phases) or ("latency_ms",)

    @property
    def is_solved(self) -> bool:
        """Whether the costs of blocks were solved from the table's whole networks."""
        return self.measurement is not None and self.measurement.blocks == "solved"

    def at_phase(self, phase: str) -> LookupTable:
        """Return the table of one phase alone, with its whole networks and references.

        Args:
            phase: One of `phases`.
        """
        measurement = self.measured
        assert measurement.phases is not None
        samples = (sample for sample in self.networks if sample.phase == phase)
        return replace(
            self,
            measurement=replace(measurement, reference_ms=measurement.phases[phase], phases=None),
            networks=tuple(replace(sample, phase=None) for sample in samples),
        )

    def network_latencies(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return codes [n, choices] and drift-corrected latencies [n] of the network samples.

        A latency in milliseconds is the median of a sample's runs times (reference over all rounds
        / reference in its round).
        """
        if self.measurement is None:
            return np.zeros((0, 0), dtype=np.int64), np.zeros(0)

        codes = np.array([sample.codes for sample in self.networks], dtype=np.int64)

        # The median of the runs: one interrupted run must not count.
        medians = np.array([np.median(sample.latency_ms) for sample in self.networks])
        return codes, medians * self._drift_factors(self.measurement)

    def network_disturbance(self, sums: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return how much slower each sample's blocks ran than by the table, [n].

        Args:
            sums: Block sums [n] of the samples by this table.

        Returns:
            Drift-corrected latencies of the samples' blocks over `sums`: about 1 where nothing
            disturbed the machine, and NaN where the sample's blocks were not timed. None where
            those of no sample were.
        """
        blocks_ms = [sample.blocks_ms for sample in self.networks]
        if self.measurement is None or not any(blocks_ms):
            return None

        # None becomes NaN: networks that joined a table later were timed as a whole.
        latencies = np.array(blocks_ms, dtype=float) * self._drift_factors(self.measurement)
        disturbance: NDArray[np.float64] = latencies / sums
        return disturbance

    def _drift_factors(self, measurement: Measurement) -> NDArray[np.float64]:
        references = [sample.reference_ms for sample in self.networks]
        return np.array([measurement.reference_ms / reference for reference in references])

    def network_noise(self) -> NDArray[np.float64]:
        """Return the deviation [n] of each network sample by the spread of its own runs.

        The relative deviation of a run is pooled over all samples (the median of their standard
        deviations). The median of n normal runs has at least pi / (2 (n + pi/2 - 1)) of one run's
        variance for odd n: exact for n = 1, 2% too small for 3, and right in the limit.
        Disturbances that all runs of a sample share are not included. The result is in
        milliseconds, 0 where no sample has two runs.
        """
        runs = [np.array(sample.latency_ms) for sample in self.networks]
        spreads = [times.std(ddof=1) / np.median(times) for times in runs if len(times) > 1]
        spread = float(np.median(spreads)) if spreads else 0.0

        counts = np.array([len(times) for times in runs], dtype=float)
        # An even number is rounded up to an odd one, which gives the smaller noise.
        counts += counts % 2 == 0

        variances = np.pi / (2 * (counts + np.pi / 2 - 1))
        _, latencies = self.network_latencies()
        noise: NDArray[np.float64] = latencies * spread * np.sqrt(variances)
        return noise

    def cost_model(
        self, space: SearchSpace, metric: str = "latency_ms", correction: str = "ridge"
    ) -> CostModel:
        """Build the cost model of a metric for a space.

        Args:
            space: Space of the architectures.
            metric: `latency_ms`, `prefill_ms`, `decode_ms`, `macs`, `binary_macs`, `params`,
                `memory_bytes` or `energy_mj`.
            correction: Correction of latency and energy: `ridge`, `linear`, `mlp`, `none`, or
                `best`, which compares these by cross-validation.

        Raises:
            MissingBlock: The table lacks a block of the space.
            MissingFigures: The table has no figures of the metric.
            UnknownName: No metric or no correction has this name.
        """
        from tables.cost.builders import build_model

        return build_model(self, space, metric, correction)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that `schema.json` describes."""
        return {
            "format": FORMAT,
            "version": VERSION,
            **{key: getattr(self, key) for key in ("name", "space")},
            **{key: dict(getattr(self, key)) for key in ("device", "conditions", "versions")},
            **{key: getattr(self, key) for key in ("created", "command", "seed")},
            "measurement": None if self.measurement is None else self.measurement.to_dict(),
            **({} if self.sigma_ms is None else {"sigma_ms": self.sigma_ms}),
            "blocks": {key: cost.to_dict() for key, cost in self.blocks.items()},
            "networks": [sample.to_dict() for sample in self.networks],
        }

    def to_json(self) -> str:
        """Return JSON text with one block or one network per line, for readers and for diffs."""
        value = self.to_dict()
        blocks = value.pop("blocks")
        networks = value.pop("networks")

        # Without its closing bracket, so that blocks and networks follow within the same object.
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
        """Read the object that `to_dict` returns.

        Raises:
            InvalidTable: The object breaks the schema, or a block's counts are not those of its
                key; the position is named.
        """
        check(value, table_schema())
        blocks = {key: BlockCost(**cost) for key, cost in value["blocks"].items()}
        for key, cost in blocks.items():
            _check_block(key, cost)

        measurement = None
        if value["measurement"] is not None:
            measurement = Measurement.from_dict(value["measurement"])
        # JSON has lists; the records are hashable and compare equal with tuples.
        samples = tuple(map(_network_sample, value["networks"]))

        _check_codes(measurement, samples)
        return cls(
            **{key: value[key] for key in ("name", "space", "device", "conditions", "versions")},
            **{key: value[key] for key in ("created", "command", "seed")},
            measurement=measurement,
            blocks=blocks,
            networks=samples,
            sigma_ms=value.get("sigma_ms"),
        )

    @classmethod
    def from_json(cls, text: str) -> LookupTable:
        """Read the text that `to_json` returns; raises InvalidTable."""
        try:
            value = json.loads(text, parse_int=bounded_int)
        # Numbers and nesting beyond Python's limits raise these as well.
        except (ValueError, RecursionError) as error:
            raise InvalidTable(f"not JSON: {error}") from error
        return cls.from_dict(value)

    @classmethod
    def read(cls, path: str | Path) -> LookupTable:
        """Read a table's file; raises InvalidTable, which names the file."""
        try:
            return cls.from_json(read_text(path))
        except InvalidTable as error:
            raise InvalidTable(f"{path}: {error}") from error
        except InvalidFile as error:
            raise InvalidTable(str(error)) from error


def _network_sample(value: dict[str, Any]) -> NetworkSample:
    codes = tuple(value["codes"])
    latency_ms = tuple(value["latency_ms"])
    return NetworkSample(**{**value, "codes": codes, "latency_ms": latency_ms})


def _check_codes(measurement: Measurement | None, samples: tuple[NetworkSample, ...]) -> None:
    """Check that networks and reference networks exist and have equally many codes."""
    if measurement is None:
        if samples:
            raise InvalidTable("networks: an imported table (measurement: null) has none")
        return

    references = measurement.reference_codes
    if not references:
        raise InvalidTable("measurement.reference.codes: no reference network")

    length = len(references[0])
    rows = [
        *((f"measurement.reference.codes[{i}]", codes) for i, codes in enumerate(references)),
        *((f"networks[{i}].codes", sample.codes) for i, sample in enumerate(samples)),
    ]

    for path, codes in rows:
        if len(codes) != length:
            raise InvalidTable(f"{path}: {len(codes)} codes where others have {length}")


def _check_block(key: str, cost: BlockCost) -> None:
    from spaces.block import Block
    from spaces.user_model.block import is_own

    if not math.isfinite(cost.latency_ms):
        raise InvalidTable(f"blocks.{key}.latency_ms: {cost.latency_ms} is not finite")
    # The counts of a user's own module are those of its code, which is not in the key.
    if is_own(key):
        return
    try:
        block = Block.from_key(key)
        counts = {"macs": block.macs, "params": block.params}
    except (InvalidBlock, UnknownName) as error:
        raise InvalidTable(f"blocks: {error}") from error
    # Shapes that the operator cannot have.
    except (ValueError, ArithmeticError, LookupError) as error:
        raise InvalidTable(f"blocks: {key!r:.80} has impossible shapes: {error}") from error

    for name, count in counts.items():
        if getattr(cost, name) != count:
            raise InvalidTable(
                f"blocks.{key}.{name}: {getattr(cost, name)} where the block has {count}"
            )
