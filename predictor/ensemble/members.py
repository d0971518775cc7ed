"""Members of an ensemble, asked at once."""

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

_AT_ONCE = 256  # architectures a product: what these take stays in the processor's cache
_COLLATED = 16384


class Members:
    """Encoders of one shape whose weights are stacked, so that a layer of all members is one
    batched product.

    The numbers are those of the encoders one by one, up to the order of sums. Encoders that are not
    `stackable` are asked in turn.

    Args:
        encoders: all in training mode, or none.
    """

    def __init__(self, encoders: Sequence[Encoder]):
        self.count, self.stackable = len(encoders), encoders[0].stackable
        self.weights, self.buffers = stack_module_state(list[nn.Module](encoders))
        self._shape = copy.deepcopy(encoders[0])

    def train(self, mode: bool = True) -> None:
        """Switch dropout on or off."""
        self._shape.train(mode)

    def frozen(self) -> Members:
        """The members themselves, without dropout and with weights that take no gradients, to be
        asked.
        """
        self.train(False)
        self.weights = {name: stack.detach() for name, stack in self.weights.items()}
        return self

    def __call__(self, inputs: Any, apart: bool = False, **options: Any) -> Tensor:
        """Scores [members, n] of an encoder's `inputs`.

        Args:
            inputs: as the encoders take them.
            apart: each member has inputs of its own, [members, n, ...].
            options: further arguments of the encoders' `forward`.
        """
        stacks = (self.weights, self.buffers)
        if self.stackable:
            score = functools.partial(self._score, **options)
            each = torch.vmap(score, in_dims=(0, 0, 0 if apart else None), randomness="different")
            found: Tensor = each(*stacks, inputs)
            return found
        scores = []
        for row in range(self.count):
            weights, buffers = taken(stacks, row)
            scores.append(
                self._score(weights, buffers, taken(inputs, row) if apart else inputs, **options)
            )
        return torch.stack(scores)

    def encoders(self) -> list[Encoder]:
        """The members with weights of their own, for predictions."""
        found = []
        for row in range(self.count):
            encoder = copy.deepcopy(self._shape)
            encoder.load_state_dict(
                {name: stack[row].detach() for name, stack in self.weights.items()}
            )
            found.append(encoder.eval())
        return found

    def scores(self, inputs_of: Callable[[Codes], Any], codes: Codes) -> NDArray[np.float64]:
        """Scores [members, n] of `codes` [n, choices]; what encoders see alike is scored once.

        As many parts as torch has threads are scored side by side, each by one thread: threads that
        share a product wait for each other at every step, and the last digit would depend on their
        number.
        """
        found = np.empty((self.count, len(codes)))
        threads = torch.get_num_threads()
        with fixed_threads(1), ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(codes), _COLLATED):
                part = slice(start, start + _COLLATED)
                inputs = inputs_of(np.asfortranarray(codes[part]))
                first, which = _distinct(inputs)
                parts = torch.split(first, _AT_ONCE)
                workers = min(threads, len(parts))
                each = [parts[worker::workers] for worker in range(workers)]
                scores: list[NDArray[np.float64]] = [np.empty(0)] * len(parts)
                for worker, rows in enumerate(
                    pool.map(functools.partial(self._parts, inputs), each)
                ):
                    scores[worker::workers] = rows
                found[:, part] = np.concatenate(scores, axis=1)[:, which]
        return found

    @torch.inference_mode()
    def _parts(self, inputs: Any, parts: Sequence[Tensor]) -> list[NDArray[np.float64]]:
        # A call puts the weights into the module, so that every thread needs a module of its own.
        own = copy.copy(self)
        own._shape = copy.deepcopy(self._shape)
        return [own(taken(inputs, rows)).double().numpy() for rows in parts]

    def _score(
        self, weights: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Any, **options: Any
    ) -> Tensor:
        found: Tensor = functional_call(self._shape, (weights, buffers), (inputs,), options)
        return found


def taken(inputs: Any, index: Tensor | slice | int) -> Any:
    """Of an encoder's inputs, nested tuples of tensors, those of the architectures `index`."""
    return tree_map(lambda tensor: tensor[index], inputs)


def _distinct(inputs: Any) -> tuple[Tensor, NDArray[np.int64]]:
    # The first of each of the distinct inputs of architectures, and for every architecture its
    # place among these.
    rows = [tensor.numpy().reshape(len(tensor), -1) for tensor in tree_leaves(inputs)]
    digits = np.ascontiguousarray(
        np.concatenate([row.view(np.uint8) for row in rows if row.size], axis=1)
    )
    whole = digits.view(np.dtype((np.void, digits.shape[1]))).reshape(-1)
    _, first, which = np.unique(whole, return_index=True, return_inverse=True)
    return torch.from_numpy(first), which.astype(np.int64)
