"""Chains that begin alike, evaluated together: what they share is computed once.

In a chain whose statistics are recalibrated, everything up to a layer depends on the candidates up
to that layer alone: the batches that enter it during recalibration, its statistics, and the
features of the validation images. Chains are therefore walked as a tree of common beginnings. Every
number is computed as for one chain alone, by the same operations on the same batches, so that
results are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from oneshot.evaluation.recalibration import gathering, normalisations

Chain = Sequence[nn.Module]


@dataclass(frozen=True)
class Features:
    """What enters a layer.

    Args:
        recalibration: batches of training images, as normalisation by the batch's own statistics
            makes them.
        validation: batches of validation images, as normalisation by the recalibrated statistics
            makes them.
    """

    recalibration: list[Tensor]
    validation: list[Tensor]

    @property
    def count(self) -> int:
        """Images in all."""
        return sum(map(len, self.recalibration)) + sum(map(len, self.validation))

    def through(self, chain: Chain) -> Features:
        """What leaves a chain of modules, whose statistics are computed on the way."""
        with gathering(chain) as statistics:
            recalibration = [
                _run(chain, batch) for batch in statistics.average_over(self.recalibration)
            ]
        return Features(recalibration, [_run(chain, batch) for batch in self.validation])

    def outputs(self, chain: Chain) -> Iterator[Tensor]:
        """What leaves a chain for each batch of validation images; nothing is kept."""
        measured = _up_to_last_norm(chain)
        with gathering(chain) as statistics:
            for batch in statistics.average_over(self.recalibration):
                _run(measured, batch)
        for batch in self.validation:
            yield _run(chain, batch)


class PrefixTree:
    """Chains as a tree of common beginnings.

    Args:
        images: what enters the chains.
        budget: bytes of features that may be kept at a time. Where a beginning does not fit, it is
            computed again for each of its continuations; results do not depend on it.
    """

    def __init__(self, images: Features, budget: int):
        self.images, self.budget = images, budget

    def outputs(self, chains: Sequence[Chain]) -> Iterator[tuple[list[int], Iterator[Tensor]]]:
        """For each different chain its places among `chains` and its outputs, batch by batch, to be
        read at once.

        Args:
            chains: modules in the order of execution, in evaluation mode; all of one length.
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
        kept: int,
    ) -> Iterator[tuple[list[int], Iterator[Tensor]]]:
        """Evaluate chains that are equal up to `depth`, from the features that enter layer
        `begin`.
        """
        first = chains[members[0]]
        while depth < len(first) and all(
            chains[member][depth] is first[depth] for member in members
        ):
            depth += 1
        shared = first[begin:depth]
        if depth == len(first):
            yield members, features.outputs(shared)
            return
        size = _bytes(shared, features)
        if kept + size <= self.budget:
            begin, features, kept = depth, features.through(shared), kept + size
        branches: dict[int, list[int]] = {}
        for member in members:
            branches.setdefault(id(chains[member][depth]), []).append(member)
        for branch in branches.values():
            yield from self._walk(chains, branch, begin, depth, features, kept)


def _run(chain: Chain, batch: Tensor) -> Tensor:
    for module in chain:
        batch = module(batch)
    return batch


def _up_to_last_norm(chain: Chain) -> Chain:
    """What has to be run for the statistics alone."""
    last = max(
        (place for place, module in enumerate(chain) if normalisations([module])), default=-1
    )
    return chain[: last + 1]


def _bytes(chain: Chain, features: Features) -> int:
    """The bytes of what leaves a chain, for all images."""
    output = _run(chain, features.validation[0][:1])
    return output.nbytes * features.count
