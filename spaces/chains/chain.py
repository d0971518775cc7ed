"""ChainSpace: a space whose networks are blocks one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.chains.additive_space import AdditiveSpace, ChoiceLayer
from spaces.chains.isomorphism import skipped_last
from spaces.space import Architectures, Codes

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch_geometric.data import Batch, Data

    from spaces.drawing.sketch import Sketch
    from spaces.modules.network import Initialiser
    from spaces.modules.supernet import Supernet
    from spaces.relaxed import RelaxedGraphs


Layout: TypeAlias = Sequence[Block | ChoiceLayer]


class ChainSpace(AdditiveSpace):
    """Fixed blocks and choices of blocks, executed one after the other.

    Args:
        name: canonical name.
        layout: the chain for `num_classes` classes.
        input_shape: shape of one image.
        num_classes: classes that costs are counted with.
        classifier: the last block for another number of classes.
        initialise: sets the weights of a built network; see `spaces.modules.network`.
    """

    is_chain = True

    def __init__(
        self,
        name: str,
        layout: Layout,
        input_shape: tuple[int, int, int],
        num_classes: int,
        classifier: Callable[[int], Block],
        initialise: Callable[[], Initialiser],
    ):
        self.layout = tuple(layout)
        self._classifier, self._initialise = classifier, initialise
        fixed = [part for part in self.layout if isinstance(part, Block)]
        layers = [part for part in self.layout if isinstance(part, ChoiceLayer)]
        super().__init__(name, fixed, layers, input_shape, num_classes)

    def blocks(self, architecture: Architecture) -> list[Block]:
        """The blocks that `network(architecture)` executes, in its order."""
        self.encode([architecture])
        return self._blocks_of(self.layout, architecture.choices)

    @staticmethod
    def _blocks_of(layout: Layout, chosen: Mapping[str, str]) -> list[Block]:
        blocks: list[Block] = []
        for part in layout:
            blocks.extend(
                part.candidates[chosen[part.key]] if isinstance(part, ChoiceLayer) else (part,)
            )
        return blocks

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        """Return the codes with the skipped layers last in each run of equal layers."""
        return skipped_last(self.layout, codes)

    def representatives(self, codes: Codes) -> Codes:
        """Return the codes with the skipped layers last in each run of equal layers."""
        return self.check(self.isomorphism_keys(codes))

    def sketch(self, architecture: Architecture) -> Sketch:
        """What a picture of the architecture shows: its blocks, one row for each image size."""
        from spaces.drawing.sketch import chain_sketch

        self.encode([architecture])
        chosen = architecture.choices
        parts = [
            ("", (part,))
            if isinstance(part, Block)
            else (chosen[part.key], part.candidates[chosen[part.key]])
            for part in self.layout
        ]
        return chain_sketch(self.name, parts)

    def graph(self, architecture: Architecture) -> Data:
        """The architecture as a path of nodes; see `spaces.graph.chain_graphs`."""
        from spaces.graph import chain_graphs

        return chain_graphs(self, self.encode([architecture])).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """The graphs of many architectures, built at once."""
        from spaces.graph import chain_graphs

        return chain_graphs(self, self.codes(architectures))

    def relaxed_graphs(self, probabilities: Sequence[Tensor]) -> RelaxedGraphs:
        """Build the path of nodes that are mixtures of candidates; see `spaces.relaxed`."""
        from spaces.relaxed import relaxed_chains

        return relaxed_chains(self, probabilities)

    def layout_for(self, num_classes: int | None) -> Layout:
        """The chain with a classifier of `num_classes` classes (None: the space's own)."""
        if num_classes is None or num_classes == self.num_classes:
            return self.layout
        return (*self.layout[:-1], self._classifier(num_classes))

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """The stand-alone network, its weights drawn from `generator` (default: seed 0)."""
        from spaces.modules.network import chain_network

        self.encode([architecture])
        blocks = self._blocks_of(self.layout_for(num_classes), architecture.choices)
        return chain_network(blocks, self._initialise(), generator)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """The network that holds every candidate, its weights drawn from `generator` (default: seed
        0).
        """
        from spaces.modules.supernet import chain_supernet

        return chain_supernet(self, self.layout_for(num_classes), self._initialise(), generator)
