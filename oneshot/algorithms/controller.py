"""The controller of ENAS: an LSTM that decides one choice after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Decisions(NamedTuple):
    """Architectures with what the controller thinks of them.

    Args:
        codes: int64 [n, choices].
        log_probability: of each architecture, float [n], differentiable.
        entropy: of the distributions that each architecture's codes were drawn from, summed, float
            [n], differentiable.
        distributions: for each choice the probabilities [n, candidates].
    """

    codes: Tensor
    log_probability: Tensor
    entropy: Tensor
    distributions: list[Tensor]


class Controller(nn.Module):
    """A one-layer LSTM; each choice has a classifier of its own, whose decision is embedded as the
    next input.

    Pham et al., ICML 2018 (arXiv 1802.03268), section 2; weights begin uniformly in [-0.1, 0.1].
    Logits become `tanh_constant * tanh(logits / temperature)`, which keeps the controller from
    deciding too early.

    Args:
        candidates: of each choice.
        hidden: units of the LSTM.
        temperature: that logits are divided by; above 0.
        tanh_constant: the greatest logit; None: any.
        seed: of the weights.
    """

    def __init__(
        self,
        candidates: Sequence[int],
        hidden: int = 64,
        temperature: float = 1.0,
        tanh_constant: float | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.temperature, self.tanh_constant = temperature, tanh_constant
        self.cell = nn.LSTMCell(hidden, hidden)
        self.start = nn.Parameter(torch.empty(1, hidden))
        self.classifiers = nn.ModuleList(nn.Linear(hidden, count) for count in candidates)
        self.embeddings = nn.ModuleList(nn.Embedding(count, hidden) for count in candidates[:-1])
        generator = torch.Generator().manual_seed(seed)
        for weight in self.parameters():
            nn.init.uniform_(weight, -0.1, 0.1, generator=generator)

    def forward(self, count: int, generator: torch.Generator | None = None) -> Decisions:
        """Draw architectures; without a generator each decision is the most probable one.

        Args:
            count: how many.
            generator: of the draws, on the processor, so that they are the same on every device.
        """
        return self._run(count, generator, None)

    def judged(self, codes: Tensor) -> Decisions:
        """What the controller thinks of given architectures, int64 [n, choices]."""
        return self._run(len(codes), None, codes)

    def _run(
        self, count: int, generator: torch.Generator | None, given: Tensor | None
    ) -> Decisions:
        x = self.start.expand(count, -1)
        state = torch.zeros_like(x), torch.zeros_like(x)
        codes, distributions = [], []
        log_probability = entropy = x.new_zeros(count)
        for column, classify in enumerate(self.classifiers):
            state = self.cell(x, state)
            logits = classify(state[0]) / self.temperature
            if self.tanh_constant is not None:
                logits = self.tanh_constant * logits.tanh()
            logs = logits.log_softmax(1)
            if given is not None:
                code = given[:, column].to(logs.device)
            elif generator is None:
                code = logs.argmax(1)
            else:
                chances = logs.detach().exp().to("cpu", torch.float64)
                code = torch.multinomial(chances, 1, generator=generator).flatten().to(logs.device)
            log_probability = log_probability + logs.gather(1, code[:, None]).flatten()
            entropy = entropy - (logs.exp() * logs).sum(1)
            codes.append(code)
            distributions.append(logs.exp())
            if column < len(self.embeddings):
                x = self.embeddings[column](code)
        return Decisions(torch.stack(codes, 1), log_probability, entropy, distributions)


def surrogate(now: Tensor, drawn: Tensor, advantages: Tensor, clip: float | None) -> Tensor:
    """The loss whose gradient is the policy's, mean over architectures.

    Args:
        now: log-probabilities [n], differentiable.
        drawn: log-probabilities [n] when the architectures were drawn.
        advantages: rewards less the baseline, [n].
        clip: None: REINFORCE (Williams, 1992); else ratios are clipped to 1 +- this (PPO, arXiv
            1707.06347, equation 7).
    """
    if clip is None:
        return -(advantages * now).mean()
    ratio = (now - drawn).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
