"""RecurrentSearchSpace: the network in which DARTS searches recurrent cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from spaces.architecture import Architecture
from spaces.recurrent.space import RecurrentSpace
from spaces.registry import get
from spaces.space import SearchSpace

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from spaces.modules.recurrent_search import RecurrentSearchSupernet
    from spaces.modules.supernet import Supernet


class RecurrentSearchSpace(RecurrentSpace):
    """The network of the release's search, for cells of another space.

    Its supernet normalises states, and its search model has a choice on the edge from each state to
    each later node (quark0/darts, rnn/model_search.py).

    Args:
        name: Canonical name.
        networks: Canonical name of the space of the resulting cells.
        sizes: Further arguments of `RecurrentSpace`.
    """

    search_keys_are_choices = False

    def __init__(self, name: str, networks: str, *sizes: Any):
        super().__init__(name, *sizes)
        self.networks = networks

    @property
    def network_space(self) -> SearchSpace:
        """Space of the cells that `derive` returns."""
        return get(self.networks)

    def for_vocabulary(self, size: int) -> SearchSpace:
        """Return the space whose networks and cells read and predict `size` tokens."""
        networks = self.network_space.for_vocabulary(size).name
        return get(self.name, vocabulary=size, networks=networks)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the search network; arguments as of `network`."""
        from spaces.modules.network import materialise
        from spaces.modules.recurrent import initialise_recurrent
        from spaces.modules.recurrent_search import RecurrentSearchSupernet

        sizes = self.sizes(num_classes)
        return materialise(
            lambda: RecurrentSearchSupernet(self, sizes), initialise_recurrent, generator
        )

    def search_model(self, supernet: Supernet) -> torch.nn.Module:
        """Return the paper's relaxed network, with a LayerChoice on each edge."""
        from spaces.modules.recurrent_search import RecurrentEdges

        return RecurrentEdges(cast("RecurrentSearchSupernet", supernet))

    def derive(self, probabilities: Mapping[str, Tensor]) -> Architecture:
        """Keep the best input of each node; see `spaces.modules.recurrent_search`."""
        from spaces.modules.recurrent_search import derive_cell

        return self.network_space.architecture(derive_cell(probabilities, self.nodes))
