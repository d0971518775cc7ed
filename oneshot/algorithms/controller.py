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


class Prior(NamedTuple):
    """What a controller prefers in a choice before it learns.

    Args:
        learned: Initial biases of the candidates' logits.
        fixed: Numbers that are always added to the logits; None: none.
    """

    learned: tuple[float, ...]
    fixed: tuple[float, ...] | None = None


def separable_prior(candidates: Sequence[str], first_cell: bool) -> Prior | None:
    """Return the release's prior for separable convolutions.

    It is that of melodyguan/enas, src/cifar10/micro_controller.py.

    Args:
        candidates: Names of a choice's candidates.
        first_cell: Whether the choice is of the first of the two cells, which alone has the fixed
            part.

    Returns:
        The prior; None where no candidate is a separable convolution.
    """
    separable = ["sep_conv" in name for name in candidates]
    if not any(separable):
        return None
    return Prior(
        tuple(10.0 if matches else 0.0 for matches in separable),
        tuple(0.25 if matches else -0.25 for matches in separable) if first_cell else None,
    )


class Controller(nn.Module):
    """LSTM with a classifier per choice, whose decision is embedded as the next input.

    Pham et al., ICML 2018 (arXiv 1802.03268), section 2. Initial weights are uniform in
    [-0.1, 0.1]. Logits become `tanh_constant * tanh(logits / temperature)`, which keeps the
    controller from deciding too early.

    Args:
        candidates: Number of candidates of each choice.
        hidden: Number of units of the LSTM.
        temperature: Divisor of the logits; above 0.
        tanh_constant: Upper bound of the logits' absolute values; None: unbounded.
        seed: Seed of the initial weights.
        layers: Number of layers of the LSTM.
        priors: For each choice its prior; None: none has one.
    """

    def __init__(
        self,
        candidates: Sequence[int],
        hidden: int = 64,
        temperature: float = 1.0,
        tanh_constant: float | None = None,
        seed: int = 0,
        layers: int = 1,
        priors: Sequence[Prior | None] | None = None,
    ):
        super().__init__()
        self.temperature = temperature
        self.tanh_constant = tanh_constant

        self.cell = nn.LSTMCell(hidden, hidden)
        self.start = nn.Parameter(torch.empty(1, hidden))
        self.classifiers = nn.ModuleList(nn.Linear(hidden, count) for count in candidates)
        # The last decision is the input of none.
        self.embeddings = nn.ModuleList(nn.Embedding(count, hidden) for count in candidates[:-1])

        # Apart from the first layer, so that states of controllers with one layer fit.
        self.upper = nn.ModuleList(nn.LSTMCell(hidden, hidden) for _ in range(layers - 1))

        generator = torch.Generator().manual_seed(seed)
        for weight in self.parameters():
            nn.init.uniform_(weight, -0.1, 0.1, generator=generator)

        self.fixed: list[tuple[float, ...] | None] = [None] * len(candidates)
        for index, prior in enumerate(priors or ()):
            if prior is not None:
                self.fixed[index] = prior.fixed
                with torch.no_grad():
                    self.classifiers[index].bias.copy_(torch.tensor(prior.learned))  # type: ignore[operator]

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
        states = [(torch.zeros_like(x), torch.zeros_like(x)) for _ in (0, *self.upper)]
        codes = []
        distributions = []
        log_probability = entropy = x.new_zeros(count)

        for column, classify in enumerate(self.classifiers):
            for layer, cell in enumerate((self.cell, *self.upper)):
                states[layer] = cell(x if layer == 0 else states[layer - 1][0], states[layer])
            logits = classify(states[-1][0]) / self.temperature
            if self.tanh_constant is not None:
                logits = self.tanh_constant * logits.tanh()
            # After the bound, as in the release: the fixed prior is not squashed.
            fixed = self.fixed[column]
            if fixed is not None:
                logits = logits + logits.new_tensor(fixed)
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
