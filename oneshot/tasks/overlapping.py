"""Evaluation of networks of text that carry no state, by windows that overlap."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class PrecedingTokens(NamedTuple):
    """The tokens before a window, which a network without a state reads again.

    Args:
        tokens: Indices of at most half a context of tokens, int64 [b, tokens].
    """

    tokens: Tensor


def evaluate_windows(model: nn.Module, inputs: Tensor, state: Any) -> tuple[Any, Any]:
    """Run a model in evaluation on the next windows of a text.

    A network with a state continues from it. One without, such as a decoder, would predict the
    first tokens of each window from few others. It reads pieces of its context, the first half of
    which only precedes the predicted tokens, so that all tokens but those of the first window are
    predicted from at least half a context (sliding windows, as by Press et al., arXiv 2012.15832).

    Args:
        model: Model that maps (tokens, state) to (logits [b, length, vocabulary], state); its
            attribute `context`, if it has one, is the number of tokens that it reads at once.
        inputs: Indices of the tokens, int64 [b, length].
        state: State of the windows before; None: these are the first ones.

    Returns:
        Logits [b, length, vocabulary] and the state.
    """
    count = inputs.shape[1]
    # The length of a network's windows is its context, unless the network has it as an attribute.
    context = int(getattr(model, "context", count))
    half = context // 2
    if isinstance(state, PrecedingTokens):
        text = torch.cat([state.tokens, inputs], 1)
        return _overlapping(model, text, count, half), PrecedingTokens(text[:, -half:])

    first = inputs[:, :context] if half else inputs
    logits, following = model(first, state)
    if following is not None or not half:
        return logits, following

    if count > context:
        rest = _overlapping(model, inputs[:, context - half :], count - context, half)
        logits = torch.cat([logits, rest], 1)
    return logits, PrecedingTokens(inputs[:, -half:])


def _overlapping(model: nn.Module, text: Tensor, count: int, half: int) -> Tensor:
    """Return the logits of the last `count` tokens of a text [b, tokens before and count].

    Args:
        model: Model without a state.
        text: Indices of the tokens, with half a context before those that are predicted.
        count: Number of tokens whose logits are returned.
        half: Number of tokens of half a context.
    """
    rows = len(text)
    pieces, remainder = divmod(count, half)
    logits: list[Tensor] = []
    if pieces:
        # Pieces [b, n, context] begin half a context after each other; all are one batch.
        windows = text[:, : half * (pieces + 1)].unfold(1, 2 * half, half)
        outputs, _ = model(windows.flatten(0, 1), None)
        logits.append(outputs[:, half:].reshape(rows, pieces * half, -1))

    if remainder:
        outputs, _ = model(text[:, -(half + remainder) :], None)
        logits.append(outputs[:, -remainder:])

    return torch.cat(logits, 1)
