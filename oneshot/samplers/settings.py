"""SamplerSettings: the sampler of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from oneshot.errors import InvalidOption
from spaces.errors import near_miss
from spaces.plugins import Registry

if TYPE_CHECKING:
    from oneshot.samplers.base import PathSampler
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable

SAMPLERS = Registry["Callable[..., PathSampler]"](
    "sampler",
    "pathfit.samplers",
    {
        "uniform": "oneshot.samplers.uniform:Uniform",
        "fair": "oneshot.samplers.fair:Fair",
        "uniform-flops": "oneshot.samplers.cost:uniform_flops",
        "uniform-latency": "oneshot.samplers.cost:uniform_latency",
    },
    invalid=InvalidOption,
)
"""Name -> function or class `(space, seed, *, ...)`; its keywords are among bins, range, table."""

S = TypeVar("S", bound="Callable[..., PathSampler]")


def register_sampler(name: str) -> Callable[[S], S]:
    """Return a decorator that registers a PathSampler class or a function that makes a PathSampler.

    It is called as `sampler(space, seed)`, and with those of the settings `bins`, `range` and
    `table` (a LookupTable) that it declares as keyword-only parameters.

    Args:
        name: Name of the sampler; it can be taken once.
    """
    return SAMPLERS.register(name)


@dataclass(frozen=True)
class SamplerSettings:
    """Name of a sampler with its options.

    Args:
        name: `uniform`; `fair` (FairNAS); `uniform-flops` and `uniform-latency`, uniform over bins
            of a cost; or a sampler of a plug-in.
        bins: Number of bins, which have equal widths.
        range: Lowest and highest cost of the bins; None: those of SPOS for the space `spos`,
            otherwise those between which nine of ten uniform architectures lie.
        table: Name or path of the lookup table of latencies; None: the sampler needs none.

    Example:
        >>> SamplerSettings("uniform-flops", bins=3).to_dict()
        {'name': 'uniform-flops', 'bins': 3, 'range': None, 'table': None}
    """

    name: str = "uniform"
    bins: int = 7
    range: tuple[float, float] | None = None
    table: str | None = None

    def __post_init__(self) -> None:
        if self.name not in SAMPLERS:
            raise InvalidOption(
                f"sampler must be one of {', '.join(SAMPLERS)}, not {self.name!r}"
                f"{near_miss(self.name, SAMPLERS)}"
            )
        if self.bins < 1:
            raise InvalidOption(f"bins must be at least 1, not {self.bins}")
        if self.range is not None and not self.range[0] < self.range[1]:
            raise InvalidOption(
                f"cost_range must rise, not from {self.range[0]:g} to {self.range[1]:g}"
            )

        # A plug-in's sampler states by its signature which of these it takes.
        accepted = SAMPLERS.options(self.name)
        if self.table is None and "table" in accepted:
            raise InvalidOption(f"the sampler {self.name} needs a table of latencies")
        if self.table is not None and "table" not in accepted:
            raise InvalidOption(f"the sampler {self.name} takes no table, not {self.table!r}")
        if self.range is not None and "range" not in accepted:
            raise InvalidOption(f"the sampler {self.name} takes no cost_range")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SamplerSettings:
        """Make settings from the result of `to_dict`, also by way of JSON."""
        limits = values.get("range")
        return cls(
            **{**values, "range": None if limits is None else (float(limits[0]), float(limits[1]))}
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values: name -> value."""
        return {**asdict(self), "range": None if self.range is None else list(self.range)}

    def make(
        self, space: SearchSpace, seed: int, load: Callable[[str], LookupTable] | None = None
    ) -> PathSampler:
        """Make the sampler of a training.

        Args:
            space: Space of the supernet.
            seed: Seed of the training.
            load: Function from a name to its table; None: `tables.load`.

        Raises:
            InvalidOption: The sampler does not suit the space.
        """
        options: dict[str, Any] = {"bins": self.bins, "range": self.range}
        if self.table is not None:
            import tables

            options["table"] = (load or tables.load)(self.table)

        accepted = SAMPLERS.options(self.name)
        suitable = {name: value for name, value in options.items() if name in accepted}
        return SAMPLERS.get(self.name)(space, seed, **suitable)
