"""Members of an ensemble, scored at once."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.utils._pytree import tree_leaves, tree_map

from predictor.encoders.base import Encoder
from spaces.space import Codes
from spaces.threads import fixed_threads

# Architectures per product: their states then stay in the processor's cache.
_AT_ONCE = 256
# Architectures whose inputs are in memory at once.
_COLLATED = 16384


class Members:
    """Encoders of one shape with stacked weights.

    A layer of all members is one batched product. The numbers are those of the encoders one by one,
    up to the order of sums. Encoders that are not `stackable` are run in turn.

    Args:
        encoders: The members, all in training mode or none.
    """

    def __init__(self, encoders: Sequence[Encoder]):
        self.count = len(encoders)
        self.stackable = encoders[0].stackable
        self.weights, self.buffers = stack_module_state(list[nn.Module](encoders))
        self._shape = copy.deepcopy(encoders[0])

    def train(self, mode: bool = True) -> None:
        """Switch dropout on or off."""
        self._shape.train(mode)

    def frozen(self) -> Members:
        """Switch dropout and gradients of the weights off, and return the members themselves."""
        self.train(False)
        self.weights = {name: stack.detach() for name, stack in self.weights.items()}
        return self

    def __call__(self, inputs: Any, separate: bool = False, **options: Any) -> Tensor:
        """Score an encoder's inputs by all members.

        Args:
            inputs: Inputs as the encoders take them.
            separate: Whether each member has its own inputs, [members, n, ...].
            options: Further arguments of the encoders' `forward`.

        Returns:
            Scores, [members, n].
        """
        stacks = (self.weights, self.buffers)
        if self.stackable:
            # Different randomness: each member has its own dropout, as if it were trained alone.
            score = functools.partial(self._score, **options)
            input_dim = 0 if separate else None
            vectorised = torch.vmap(score, in_dims=(0, 0, input_dim), randomness="different")
            stacked: Tensor = vectorised(*stacks, inputs)
            return stacked

        scores = []
        for member in range(self.count):
            weights, buffers = select(stacks, member)
            member_inputs = select(inputs, member) if separate else inputs
            scores.append(self._score(weights, buffers, member_inputs, **options))

        return torch.stack(scores)

    def encoders(self) -> list[Encoder]:
        """Return the members as separate encoders, for predictions."""
        encoders = []
        for member in range(self.count):
            encoder = copy.deepcopy(self._shape)
            encoder.load_state_dict(
                {name: stack[member].detach() for name, stack in self.weights.items()}
            )
            encoders.append(encoder.eval())
        return encoders

    def scores(
        self, inputs_of: Callable[[Codes], Any], codes: Codes, step: int | None = None
    ) -> NDArray[np.float64]:
        """Score architectures; those with equal inputs are scored once.

        As many chunks as torch has threads are scored at the same time, each by one thread: threads
        that share a product wait for each other at every step, and the last digit would depend on
        their number.

        Args:
            inputs_of: Function from codes to the encoders' inputs.
            codes: Codes of the architectures, [n, choices].
            step: Step of anytime encoders whose scores are returned; None: the last.

        Returns:
            Scores, [members, n].
        """
        scores = np.empty((self.count, len(codes)))
        threads = torch.get_num_threads()
        with fixed_threads(1), ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(codes), _COLLATED):
                rows = slice(start, start + _COLLATED)
                inputs = inputs_of(np.asfortranarray(codes[rows]))

                # Many codes may give one input, such as those of isomorphic cells.
                first, which = _distinct(inputs)
                chunks = torch.split(first, _AT_ONCE)
                workers = min(threads, len(chunks))

                # Worker i scores the chunks i, i + workers, i + 2 workers, ...
                chunks_of_workers = [chunks[worker::workers] for worker in range(workers)]
                chunk_scores: list[NDArray[np.float64]] = [np.empty(0)] * len(chunks)
                score = functools.partial(self._score_chunks, inputs, step)
                for worker, results in enumerate(pool.map(score, chunks_of_workers)):
                    chunk_scores[worker::workers] = results
                scores[:, rows] = np.concatenate(chunk_scores, axis=1)[:, which]

        return scores

    @torch.inference_mode()
    def _score_chunks(
        self, inputs: Any, step: int | None, chunks: Sequence[Tensor]
    ) -> list[NDArray[np.float64]]:
        # A call puts the weights into the module, so that every thread needs its own module.
        members = copy.copy(self)
        members._shape = copy.deepcopy(self._shape)
        if step is None:
            return [members(select(inputs, rows)).double().numpy() for rows in chunks]
        return [
            members(select(inputs, rows), every_step=True)[..., step].double().numpy()
            for rows in chunks
        ]

    def _score(
        self, weights: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Any, **options: Any
    ) -> Tensor:
        scores: Tensor = functional_call(self._shape, (weights, buffers), (inputs,), options)
        return scores


def select(inputs: Any, index: Tensor | slice | int) -> Any:
    """Index all tensors of an encoder's inputs, which are nested tuples of tensors."""
    return tree_map(lambda tensor: tensor[index], inputs)


def _distinct(inputs: Any) -> tuple[Tensor, NDArray[np.int64]]:
    """Find architectures with equal inputs.

    Returns:
        The first row of each distinct input, [distinct], and for every architecture the index of
        its input among them, [n].
    """
    rows = [tensor.numpy().reshape(len(tensor), -1) for tensor in tree_leaves(inputs)]
    digits = np.ascontiguousarray(
        np.concatenate([row.view(np.uint8) for row in rows if row.size], axis=1)
    )
    # One opaque value per row sorts much faster than rows of bytes.
    keys = digits.view(np.dtype((np.void, digits.shape[1]))).reshape(-1)
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return torch.from_numpy(first), which.astype(np.int64)
