"""PC-DARTS: DARTS on a part of the channels, with weights of edges (ICLR 2020, 1907.05737)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from oneshot.algorithms.darts import HELD_OUT, Darts, DartsOptions
from oneshot.algorithms.darts import RECIPE as DARTS_RECIPE
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.errors import InvalidOption

if TYPE_CHECKING:
    from spaces.space import SearchSpace

RECIPE = replace(DARTS_RECIPE, batch_size=256, learning_rate=0.1)
"""Recipe of the release's search on CIFAR-10 (yuhuixu1993/PC-DARTS, train_search.py)."""

AW_NAS = replace(DARTS_RECIPE, batch_size=192, learning_rate=0.075)
"""Recipe of aw_nas' search (walkerning/aw_nas, examples/mloss/pcdarts)."""


@dataclass(frozen=True)
class PcDartsOptions(DartsOptions):
    """Options of PC-DARTS.

    The defaults are those of the release (yuhuixu1993/PC-DARTS, train_search.py and
    model_search.py).

    Args:
        channel_divisor: Ratio of the channels to those that go through the operations of an edge,
            K of the paper; the others pass. 1: all go through the operations.
        edge_normalisation: Whether the edges into a node are weighted by probabilities of their own
            (equation 3) rather than added up.
    """

    read_once: ClassVar[frozenset[str]] = DartsOptions.read_once | {"channel_divisor"}

    arch_learning_rate: float = 6e-4
    arch_warmup: int = 15
    channel_divisor: int = 4
    edge_normalisation: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channel_divisor < 1:
            raise InvalidOption(f"channel_divisor must be at least 1, not {self.channel_divisor}")


@register_algorithm("pc-darts")
class PcDarts(Darts):
    """Trains mixtures of a part of the channels, with weights of the edges, as DARTS does.

    A step needs a fraction of DARTS' memory. With `channel_divisor=1` and without edge
    normalisation it is DARTS. Spaces need operations on edges, as `darts` and `nasbench201` have.

    Args:
        setting: Model, images and costs.
        options: Options of PC-DARTS.
    """

    presets: ClassVar[dict[str, Preset]] = {
        "default": Preset(PcDartsOptions(), RECIPE, HELD_OUT),
        "aw_nas": Preset(PcDartsOptions(least_learning_rate=0.0), AW_NAS, HELD_OUT),
    }
    options: PcDartsOptions

    @classmethod
    def search_space(cls, space: SearchSpace, options: Any) -> SearchSpace:
        """Return the space of the search network with the options' mixtures."""
        return space.partial_search_space(options.channel_divisor, options.edge_normalisation)
