"""ChainSpace: a space whose networks are blocks, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.chains.additive_space import AdditiveSpace, ChoiceLayer
from spaces.chains.isomorphism import skipped_last
from spaces.heads.attached import AttachedHead, WaitingValues, WiredBlocks
from spaces.space import Architectures, Codes

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch_geometric.data import Batch, Data

    from spaces.drawing.sketch import Sketch
    from spaces.graphs.relaxed import RelaxedGraphs
    from spaces.heads.geometry import BoxGeometry
    from spaces.modules.network import Initialiser
    from spaces.modules.supernet import Supernet


Layout: TypeAlias = Sequence[Block | ChoiceLayer]
"""Fixed blocks and choices of blocks, in the order of execution."""


class ChainSpace(AdditiveSpace):
    """Fixed blocks and choices of blocks, executed one after the other.

    Args:
        name: Canonical name.
        layout: Chain for `num_classes` classes; its last item is the classifier.
        input_shape: Shape of one image, (channels, height, width).
        num_classes: Number of classes that costs are counted with.
        classifier: Function number of classes -> last block; None with a head in its place.
        initialise: Function that returns the initialiser of a built network's weights; see
            `spaces.modules.network`.
        affine_supernet: Whether the batch normalisation of the supernet learns scale and shift.
        attached: Head in place of the classifier, with the backbone; `layout` then has its layers.
            None: the networks are chains that end in the classifier.

    Example:
        >>> from spaces.modules.initialisers import torch_initialiser
        >>> conv = Block("conv", (3, 8, 8), (4, 8, 8), kernel=3, stride=1)
        >>> small = Block("conv", (4, 8, 8), (4, 8, 8), kernel=3, stride=1)
        >>> large = Block("conv", (4, 8, 8), (4, 8, 8), kernel=5, stride=1)
        >>> layer = ChoiceLayer("layer_1", {"k3": (small,), "k5": (large,)})
        >>> def classifier(num_classes):
        ...     return Block("linear", (4, 8, 8), (num_classes,))
        >>> space = ChainSpace(
        ...     "mine",
        ...     [conv, layer, classifier(10)],
        ...     (3, 8, 8),
        ...     10,
        ...     classifier,
        ...     lambda: torch_initialiser,
        ... )
        >>> [block.key for block in space.blocks(space.architecture({"layer_1": "k5"}))]
        ['conv k3 s1 3x8x8 -> 4x8x8', 'conv k5 s1 4x8x8 -> 4x8x8', 'linear 4x8x8 -> 10']
    """

    dropout: float | None = None
    """Probability of dropout before the classifier of networks; None: that of its operator."""

    def __init__(
        self,
        name: str,
        layout: Layout,
        input_shape: tuple[int, int, int],
        num_classes: int,
        classifier: Callable[[int], Block] | None,
        initialise: Callable[[], Initialiser],
        affine_supernet: bool = False,
        attached: AttachedHead | None = None,
    ):
        self.affine_supernet = affine_supernet
        self.attached = attached
        self.layout = tuple(layout)
        self._classifier = classifier
        self._initialise = initialise
        fixed = [item for item in self.layout if isinstance(item, Block)]
        layers = [item for item in self.layout if isinstance(item, ChoiceLayer)]
        super().__init__(name, fixed, layers, input_shape, num_classes)
        if attached is not None:
            self.head = attached.head.kind

    @property
    def is_chain(self) -> bool:  # type: ignore[override]
        """Whether each block reads the previous one only, as without a head that has taps."""
        return self.attached is None

    @property
    def has_layers(self) -> bool:
        """Whether choices are layers in the order of execution, with a head too."""
        return True

    def head_geometry(self, architecture: Architecture | None = None) -> BoxGeometry | None:
        """Return where the boxes that networks predict lie in the image."""
        return None if self.attached is None else self.attached.geometry

    def wired_blocks(
        self, architecture: Architecture, num_classes: int | None = None
    ) -> WiredBlocks | None:
        """Return the blocks of a network with a head, and what each of them reads."""
        if self.attached is None:
            return None

        self.encode([architecture])
        wiring = self.attached.wiring(num_classes or self.num_classes)
        choices = architecture.choices
        selected = (tuple(self._select_blocks([item], choices)) for item in wiring.items)
        return WiredBlocks(self.attached, wiring, tuple(selected))

    @cached_property
    def waiting_values(self) -> WaitingValues | None:  # type: ignore[override]
        """How many values wait while each block of a network with a head runs."""
        if self.attached is None:
            return None
        return self.attached.waiting_values(self.attached.wiring(self.num_classes))

    def blocks(self, architecture: Architecture) -> list[Block]:
        """Return the blocks that `network(architecture)` executes, in order."""
        # Encoding checks that the architecture belongs to the space.
        self.encode([architecture])
        return self._select_blocks(self.layout, architecture.choices)

    @staticmethod
    def _select_blocks(layout: Layout, choices: Mapping[str, str]) -> list[Block]:
        blocks: list[Block] = []
        for item in layout:
            if isinstance(item, ChoiceLayer):
                blocks.extend(item.candidates[choices[item.key]])
            else:
                blocks.append(item)

        return blocks

    def isomorphism_keys(self, codes: Codes) -> NDArray[Any]:
        """Return the codes with the skipped layers last in each run of equal layers."""
        return skipped_last(self.layout, codes)

    def representatives(self, codes: Codes) -> Codes:
        """Return the codes with the skipped layers last in each run of equal layers."""
        return self.check(self.isomorphism_keys(codes))

    def sketch(self, architecture: Architecture) -> Sketch:
        """Return the picture's content: the blocks, with one row for each image size."""
        from spaces.drawing.sketch import chain_sketch, wired_sketch

        # Checks that the architecture is one of this space.
        self.encode([architecture])
        choices = architecture.choices
        labelled: list[tuple[str, tuple[Block, ...]]] = []
        keys: list[str] = []

        for item in self.layout:
            keys.append("" if isinstance(item, Block) else item.key)
            if isinstance(item, Block):
                labelled.append(("", (item,)))
            else:
                candidate = choices[item.key]
                labelled.append((candidate, item.candidates[candidate]))

        if self.attached is None:
            return chain_sketch(self.name, labelled).with_decisions(keys)
        layers = self.attached.wiring(self.num_classes).layers
        sources = [layer.sources for layer in layers]
        return wired_sketch(self.name, labelled, sources).with_decisions(keys)

    def graph(self, architecture: Architecture) -> Data:
        """Return the architecture as a path of nodes; see `spaces.graphs.graph.chain_graphs`."""
        from spaces.graphs.graph import chain_graphs

        return chain_graphs(self, self.encode([architecture])).get_example(0)

    def graphs(self, architectures: Architectures) -> Batch:
        """Return the graphs of many architectures, built at once."""
        from spaces.graphs.graph import chain_graphs

        return chain_graphs(self, self.codes(architectures))

    def relaxed_graphs(self, probabilities: Sequence[Tensor]) -> RelaxedGraphs:
        """Build the path of nodes that are mixtures of candidates; see `spaces.graphs.relaxed`."""
        from spaces.graphs.relaxed import relaxed_chains

        return relaxed_chains(self, probabilities)

    def layout_for(self, num_classes: int | None) -> Layout:
        """Return the layout for `num_classes` classes (None: the space's)."""
        # The layout already ends in the classifier of the space's classes.
        if num_classes is None or num_classes == self.num_classes:
            return self.layout
        if self.attached is not None:
            return self.attached.wiring(num_classes).items
        assert self._classifier is not None
        return (*self.layout[:-1], self._classifier(num_classes))

    def supernet_initialiser(self, initialise: Initialiser, num_classes: int | None) -> Initialiser:
        """Return the initialiser of a supernet, which also knows the layers of a head.

        Args:
            initialise: Initialiser of all other layers.
            num_classes: Number of classes of the supernet. None: the space's.
        """
        if self.attached is None:
            return initialise

        wiring = self.attached.wiring(num_classes or self.num_classes)
        return self.attached.initialiser(initialise, wiring, _layers_of_supernet)

    def network(
        self,
        architecture: Architecture,
        num_classes: int | None = None,
        generator: torch.Generator | None = None,
    ) -> torch.nn.Module:
        """Build the standalone network, initialised by `generator` (None: seed 0)."""
        from spaces.modules.network import chain_network, wired_network

        wired = self.wired_blocks(architecture, num_classes)
        if wired is not None:
            return wired_network(wired, self._initialise(), generator)

        self.encode([architecture])
        blocks = self._select_blocks(self.layout_for(num_classes), architecture.choices)
        return chain_network(blocks, self._initialise(), generator)

    def supernet(
        self, num_classes: int | None = None, generator: torch.Generator | None = None
    ) -> Supernet:
        """Build the network with the weights of every candidate; arguments as of `network`."""
        from spaces.modules.affine import learn_affine
        from spaces.modules.supernet import chain_supernet

        supernet = chain_supernet(self, num_classes, self._initialise(), generator)
        if self.affine_supernet:
            learn_affine(supernet)
        return supernet


def _layers_of_supernet(supernet: torch.nn.Module) -> list[torch.nn.Module]:
    layers = supernet.get_submodule("layers")
    return list(layers.children())
