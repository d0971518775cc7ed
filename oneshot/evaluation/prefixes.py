"""Evaluate chains with common prefixes together and compute each prefix once.

In a chain whose statistics are recalibrated, everything up to a layer depends on the candidates up
to this layer only: the batches that enter it during recalibration, its statistics, and the features
of the validation images. Chains are therefore evaluated as a tree of prefixes. Every number results
from the same operations on the same batches as for a single chain, so that results are equal to the
last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import nn

from oneshot.evaluation.recalibration import gathering, normalisations
from spaces.modules.nested import batch_size, mapped, tensors_in
from spaces.modules.shared_input import SharedInput

Chain = Sequence[nn.Module]


@dataclass(frozen=True)
class Features:
    """Inputs of a layer.

    Args:
        recalibration: Features of batches of training images, normalised by the statistics of each
            batch: a tensor, or a dictionary of those that later layers read.
        validation: Features of batches of validation images, normalised by the recalibrated
            statistics.
        shared: Runs the layers that read the features, so that none changes them for the others.
    """

    recalibration: list[Any]
    validation: list[Any]
    shared: SharedInput = field(default_factory=SharedInput)

    @property
    def count(self) -> int:
        """Number of images of both kinds."""
        return sum(map(batch_size, (*self.recalibration, *self.validation)))

    def through(self, chain: Chain) -> Features:
        """Return the outputs of a chain of modules and recalibrate its statistics."""

        # The validation images run after the block, with the statistics that it gathered.
        with gathering(chain) as statistics:
            recalibration = [
                self._run(chain, batch) for batch in statistics.average_over(self.recalibration)
            ]
        validation = [self._run(chain, batch) for batch in self.validation]
        return Features(recalibration, validation, self.shared)

    def outputs(self, chain: Chain) -> Iterator[Any]:
        """Yield the output of a chain for each batch of validation images and store none."""

        # Recalibration needs no layer after the last normalisation, such as the classifier.
        measured = _up_to_last_norm(chain)
        with gathering(chain) as statistics:
            for batch in statistics.average_over(self.recalibration):
                self._run(measured, batch)

        for batch in self.validation:
            yield self._run(chain, batch)

    def size_after(self, chain: Chain) -> int:
        """Return the number of bytes of a chain's outputs for all images."""

        # The outputs of all images have the same shape, so one image is enough.
        output = self._run(chain, mapped(self.validation[0], lambda values: values[:1]))
        return sum(tensor.nbytes for tensor in tensors_in(output)) * self.count

    def _run(self, chain: Chain, batch: Any) -> Any:
        """Return the output of a chain for one batch, which stays unchanged."""
        output = batch
        for index, module in enumerate(chain):
            # Only the first layer reads features that other chains read as well.
            if index == 0:
                output = self.shared.run(id(module), partial(_name_of, module), module, batch)
            else:
                output = module(output)
        return output


class PrefixTree:
    """Tree of the common prefixes of chains.

    Args:
        images: Inputs of the chains.
        budget: Greatest number of bytes of features in memory at a time. A prefix that does not fit
            is computed again for each of its continuations; results do not depend on the budget.
    """

    def __init__(self, images: Features, budget: int):
        self.images = images
        self.budget = budget

    def outputs(self, chains: Sequence[Chain]) -> Iterator[tuple[list[int], Iterator[Any]]]:
        """Yield for each distinct chain its indices in `chains` and its outputs, batch by batch.

        Read the outputs before the next chain: its recalibration replaces the statistics.

        Args:
            chains: Modules of each chain in the order of execution, in evaluation mode; all chains
                have the same length.
        """
        if chains:
            yield from self._walk(chains, list(range(len(chains))), 0, 0, self.images, 0)

    def _walk(
        self,
        chains: Sequence[Chain],
        members: list[int],
        begin: int,
        depth: int,
        features: Features,
        stored_bytes: int,
    ) -> Iterator[tuple[list[int], Iterator[Any]]]:
        """Evaluate the chains of one subtree.

        Args:
            chains: All chains.
            members: Indices of the chains of the subtree, which are equal up to `depth`.
            begin: Index of the layer that `features` enter.
            depth: Number of layers known to be equal.
            features: Inputs of layer `begin`.
            stored_bytes: Number of bytes of the stored features on the path to the root.
        """

        # Extend the common prefix as far as possible.
        first = chains[members[0]]
        while depth < len(first) and all(
            chains[member][depth] is first[depth] for member in members
        ):
            depth += 1

        # A leaf: all members are the same chain.
        segment = first[begin:depth]
        if depth == len(first):
            yield members, features.outputs(segment)
            return

        # Store the features at the fork if they fit; otherwise each branch starts at `begin`.
        size = features.size_after(segment)
        if stored_bytes + size <= self.budget:
            begin = depth
            features = features.through(segment)
            stored_bytes = stored_bytes + size

        # One branch for each different module at the fork.
        branches: dict[int, list[int]] = {}
        for member in members:
            branches.setdefault(id(chains[member][depth]), []).append(member)
        for branch in branches.values():
            yield from self._walk(chains, branch, begin, depth, features, stored_bytes)


def _name_of(module: nn.Module) -> str:
    return type(module).__name__


def _up_to_last_norm(chain: Chain) -> Chain:
    """Return the part of a chain up to its last normalisation."""
    last = max(
        (index for index, module in enumerate(chain) if normalisations([module])), default=-1
    )
    return chain[: last + 1]
