"""Which sampler a run uses, as its settings record it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from oneshot.errors import InvalidOption
from oneshot.samplers.base import PathSampler
from oneshot.samplers.uniform import Uniform
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from tables.lookup_table import LookupTable

NAMES = ("uniform", "fair", "uniform-flops", "uniform-latency")


@dataclass(frozen=True)
class SamplerSettings:
    """A sampler by name.

    Args:
        name: `uniform`; `fair` (FairNAS); `uniform-flops` and `uniform-latency`, uniform over bins
            of a cost.
        bins: how many, of equal width.
        range: from where to where; None: SPOS's own for the space `spos` as it is, elsewhere where
            nine of ten uniform architectures lie.
        table: name or path of the lookup table of latencies.
    """

    name: str = "uniform"
    bins: int = 7
    range: tuple[float, float] | None = None
    table: str | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise InvalidOption(f"sampler must be one of {', '.join(NAMES)}, not {self.name!r}")
        if self.bins < 1:
            raise InvalidOption(f"bins must be at least 1, not {self.bins}")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise InvalidOption(
                f"cost_range must rise, not from {self.range[0]:g} to {self.range[1]:g}"
            )
        if (self.table is not None) != (self.name == "uniform-latency"):
            need = "needs a table of latencies" if self.table is None else "takes no table"
            raise InvalidOption(f"the sampler {self.name} {need}")
        if self.range is not None and self.name in ("uniform", "fair"):
            raise InvalidOption(f"the sampler {self.name} takes no cost_range")

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> SamplerSettings:
        """Of what `to_dict` gave, also by way of JSON."""
        limits = given.get("range")
        return cls(
            **{**given, "range": None if limits is None else (float(limits[0]), float(limits[1]))}
        )

    def to_dict(self) -> dict[str, Any]:
        """Name -> value, as JSON has it."""
        return {**asdict(self), "range": None if self.range is None else list(self.range)}

    def make(
        self, space: SearchSpace, seed: int, load: Callable[[str], LookupTable] | None = None
    ) -> PathSampler:
        """The sampler of a training.

        Args:
            space: the supernet's.
            seed: of the training.
            load: finds a table by name (default: `tables.load`).

        Raises:
            InvalidOption: the sampler does not suit the space.
        """
        if self.name == "uniform":
            return Uniform(space, seed)
        if self.name == "fair":
            from oneshot.samplers.fair import Fair

            return Fair(space, seed)
        from oneshot.samplers.cost import SPOS_MACS, UniformCost, edges_between, usual_range
        from tables.cost.model import counting_model

        if self.table is None:
            model = counting_model(space, "macs")
        else:
            import tables

            model = (load or tables.load)(self.table).cost_model(space, "latency_ms")
        limits = self.range
        if limits is None and space.name == "spos" and self.table is None:
            limits = SPOS_MACS[0], SPOS_MACS[-1]
        return UniformCost(model, seed, edges_between(*(limits or usual_range(model)), self.bins))
