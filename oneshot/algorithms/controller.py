"""Controller of ENAS: an LSTM that decides one choice after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Decisions(NamedTuple):
    """Architectures with the probabilities that the controller assigns to them.

    Args:
        codes: Codes of the architectures, int64 [n, choices].
        log_probability: Logarithm of each architecture's probability, float [n], differentiable.
        entropy: Sum over the choices of the entropy of the distribution of each architecture's
            code, float [n], differentiable.
        distributions: Probabilities [n, candidates] of each choice.
    """

    codes: Tensor
    log_probability: Tensor
    entropy: Tensor
    distributions: list[Tensor]


class Controller(nn.Module):
    """One-layer LSTM with a classifier per choice, whose decision is embedded as the next input.

    Pham et al., ICML 2018 (arXiv 1802.03268), section 2. Initial weights are uniform in
    [-0.1, 0.1]. Logits become `tanh_constant * tanh(logits / temperature)`, which keeps the
    controller from deciding too early.

    Args:
        candidates: Number of candidates of each choice.
        hidden: Number of units of the LSTM.
        temperature: Divisor of the logits; above 0.
        tanh_constant: Upper bound of the logits' absolute values; None: unbounded.
        seed: Seed of the initial weights.
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
        self.temperature = temperature
        self.tanh_constant = tanh_constant

        self.cell = nn.LSTMCell(hidden, hidden)
        self.start = nn.Parameter(torch.empty(1, hidden))
        self.classifiers = nn.ModuleList(nn.Linear(hidden, count) for count in candidates)
        # The last decision is the input of none.
        self.embeddings = nn.ModuleList(nn.Embedding(count, hidden) for count in candidates[:-1])

        generator = torch.Generator().manual_seed(seed)
        for weight in self.parameters():
            nn.init.uniform_(weight, -0.1, 0.1, generator=generator)

    def forward(self, count: int, generator: torch.Generator | None = None) -> Decisions:
        """Sample architectures, or decide for the most probable candidates step by step.

        Args:
            count: Number of architectures.
            generator: Generator of the samples, on the CPU, so that they are equal on every
                device; None: each decision is the most probable one.
        """
        return self._run(count, generator, None)

    def judged(self, codes: Tensor) -> Decisions:
        """Return the probabilities of existing architectures, codes int64 [n, choices]."""
        return self._run(len(codes), None, codes)

    def _run(
        self, count: int, generator: torch.Generator | None, given: Tensor | None
    ) -> Decisions:
        """Decide all choices; the codes are those of `given` where it is not None."""
        # The first input is learned.
        x = self.start.expand(count, -1)
        state = torch.zeros_like(x), torch.zeros_like(x)
        codes = []
        distributions = []
        log_probability = entropy = x.new_zeros(count)

        for column, classify in enumerate(self.classifiers):
            state = self.cell(x, state)
            logits = classify(state[0]) / self.temperature
            if self.tanh_constant is not None:
                logits = self.tanh_constant * logits.tanh()
            log_probs = logits.log_softmax(1)

            if given is not None:
                code = given[:, column].to(log_probs.device)
            elif generator is None:
                code = log_probs.argmax(1)
            else:
                # Sampled on the CPU, where the generator is.
                probs = log_probs.detach().exp().to("cpu", torch.float64)
                code = (
                    torch.multinomial(probs, 1, generator=generator).flatten().to(log_probs.device)
                )

            # The chain rule: log p(a) = sum of log p(a_i | a_1, ..., a_(i-1)).
            log_probability = log_probability + log_probs.gather(1, code[:, None]).flatten()
            entropy = entropy - (log_probs.exp() * log_probs).sum(1)
            codes.append(code)
            distributions.append(log_probs.exp())

            if column < len(self.embeddings):
                x = self.embeddings[column](code)

        return Decisions(torch.stack(codes, 1), log_probability, entropy, distributions)


def surrogate(now: Tensor, drawn: Tensor, advantages: Tensor, clip: float | None) -> Tensor:
    """Return the loss whose gradient is the policy gradient, as the mean over architectures.

    Args:
        now: Current log-probabilities of the architectures [n], differentiable.
        drawn: Log-probabilities [n] at the time when the architectures were sampled.
        advantages: Rewards minus the baseline [n].
        clip: Ratios of probabilities are clipped to 1 +- this (PPO, arXiv 1707.06347, equation 7);
            None: no ratios, but REINFORCE (Williams, 1992).
    """
    if clip is None:
        return -(advantages * now).mean()

    # The minimum takes away the gain of moving further than the clip.
    ratio = (now - drawn).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
