"""Texts that networks generate, token by token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption


@torch.no_grad()
def generate(
    model: nn.Module,
    prompt: Tensor,
    count: int,
    generator: torch.Generator,
    *,
    temperature: float = 1.0,
    excluded: Sequence[int] = (),
) -> Tensor:
    """Continue a text by tokens that are drawn by a network's probabilities.

    Args:
        model: Network in evaluation mode that maps (tokens, state) to (logits, state).
        prompt: Indices of the tokens before the generated ones, int64 [n], n at least 1.
        count: Number of tokens to generate.
        generator: Random generator of the tokens.
        temperature: Divisor of the logits; 0 selects the most probable token each time.
        excluded: Tokens that are never generated, such as `<unk>`.

    Returns:
        Indices of the generated tokens, int64 [count].

    Raises:
        InvalidOption: The temperature is negative, or the prompt is empty or longer than the
            network's context.

    Example:
        >>> import spaces
        >>> space = spaces.get("decoder-tiny")
        >>> network = space.network(space.architecture([0] * len(space.choices))).eval()
        >>> text = generate(network, torch.tensor([3]), 20, torch.Generator().manual_seed(0))
        >>> text.shape
        torch.Size([20])
    """
    if not 0 <= temperature < math.inf:
        raise InvalidOption(f"temperature must be at least 0, not {temperature}")
    context = getattr(model, "context", None)
    if not len(prompt) or (context is not None and len(prompt) > context):
        most = "" if context is None else f" and at most the context of {context}"
        raise InvalidOption(
            f"prompt: {len(prompt)} tokens; the network needs at least 1 token{most}"
        )

    reader = _Reader(model)
    logits = reader.read(prompt)
    tokens: list[Tensor] = []
    for _ in range(count):
        logits[list(excluded)] = -torch.inf
        if temperature:
            probabilities = (logits / temperature).softmax(0)
            token = torch.multinomial(probabilities, 1, generator=generator)
        else:
            token = logits.argmax(0, keepdim=True)
        tokens.append(token)
        logits = reader.read(token)

    return torch.cat(tokens) if tokens else prompt[:0]


class _Reader:
    """Reads a text piece by piece, with the network's state or cache.

    Args:
        model: Network in evaluation mode.
    """

    def __init__(self, model: nn.Module):
        self.model: Any = model
        self.state: Any = None
        self.text = torch.zeros(0, dtype=torch.int64)
        self.num_cached = 0

    def read(self, tokens: Tensor) -> Tensor:
        """Return the logits [vocabulary] of the token after those of int64 [n]."""
        if hasattr(self.model, "empty_cache"):
            tokens = self._room_for(tokens)
        logits, self.state = self.model(tokens[None], self.state)
        return torch.as_tensor(logits[0, -1], dtype=torch.float64).clone()

    def _room_for(self, tokens: Tensor) -> Tensor:
        """Empty a cache without room for tokens, and return those that are to be read."""
        self.text = torch.cat([self.text, tokens])[-self.model.context :]
        if self.state is None or self.num_cached + len(tokens) > self.model.context:
            # Positions are learned, so that cached tokens cannot move: half of them are read again.
            if self.state is not None:
                tokens = self.text[-max(1, self.model.context // 2) :]
            self.state = self.model.empty_cache(1)
            self.num_cached = 0

        self.num_cached += len(tokens)
        return tokens
