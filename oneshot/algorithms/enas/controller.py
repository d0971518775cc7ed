"""Controller of ENAS: an LSTM that decides one choice after the other."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
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


class Anchor(NamedTuple):
    """State of a completed node.

    Args:
        value: Input of the LSTM after a decision for the node, [n, hidden].
        key: The state times W_1 of the attention, [n, hidden].
    """

    value: Tensor
    key: Tensor


class Attention(NamedTuple):
    """States that a controller attends to when it decides for an input.

    Args:
        sources: For each input the index of the decision that completes the node whose output it
            is; -1, -2, ... for an input from outside of all nodes.
    """

    sources: tuple[int, ...]


class Controller(nn.Module):
    """LSTM with a classifier per choice, whose decision is embedded as the next input.

    Pham et al., ICML 2018 (arXiv 1802.03268), section 2. Initial weights are uniform in
    [-0.1, 0.1]. Logits become `tanh_constant * tanh(logits / temperature)`, which keeps the
    controller from deciding too early. Inputs may be decided by attention over the states of
    earlier nodes, as in the release (melodyguan/enas, src/cifar10/micro_controller.py).

    Args:
        candidates: Number of candidates of each choice.
        hidden: Number of units of the LSTM.
        temperature: Divisor of the logits; above 0.
        tanh_constant: Upper bound of the logits' absolute values; None: unbounded.
        seed: Seed of the initial weights.
        layers: Number of layers of the LSTM.
        priors: For each choice its prior; None: none has one.
        attentions: For each choice the states that it attends to, or None where it has a
            classifier; None: all have classifiers. See `Controller.attended`.
        input_tanh_constant: `tanh_constant` of the choices that attend; None: unbounded.
        kinds: For each choice a value that is equal where choices share classifier and embedding;
            None: each choice has its own.
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
        attentions: Sequence[Attention | None] | None = None,
        input_tanh_constant: float | None = None,
        kinds: Sequence[Hashable] | None = None,
    ):
        super().__init__()
        self.attentions = list(attentions or [None] * len(candidates))
        self.input_tanh_constant = input_tanh_constant
        attended = [source for attention in self.attentions if attention for source in attention[0]]
        # Decisions that complete a node, and the number of inputs from outside.
        self.completing = frozenset(source for source in attended if source >= 0)
        self.outside = max((-source for source in attended), default=0)
        self.temperature = temperature
        self.tanh_constant = tanh_constant

        self.cell = nn.LSTMCell(hidden, hidden)
        self.start = nn.Parameter(torch.empty(1, hidden))
        names = range(len(candidates)) if kinds is None else kinds
        # A choice that attends needs neither: its scores and its embedding are states.
        self.classifiers = nn.ModuleList(
            _shared(names, candidates, self.attentions, lambda count: nn.Linear(hidden, count))
        )
        # The last decision is the input of none.
        embeddings = _shared(
            names, candidates, self.attentions, lambda count: nn.Embedding(count, hidden)
        )
        self.embeddings = nn.ModuleList(embeddings[:-1])

        # Apart from the first layer, so that states of controllers with one layer fit.
        self.upper = nn.ModuleList(nn.LSTMCell(hidden, hidden) for _ in range(layers - 1))

        if attended:
            self.anchor_weight = nn.Linear(hidden, hidden, bias=False)
            self.query_weight = nn.Linear(hidden, hidden, bias=False)
            self.attention_vector = nn.Linear(hidden, 1, bias=False)

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

    def attended(self, hidden: Tensor, anchors: Sequence[Anchor]) -> Tensor:
        """Return the scores of inputs by attention, v tanh(W_1 h_j + W_2 h), [n, inputs].

        Args:
            hidden: State of the LSTM [n, hidden].
            anchors: States of the nodes whose outputs are the inputs.
        """
        keys = torch.stack([anchor.key for anchor in anchors], 1)
        queries = torch.tanh(keys + self.query_weight(hidden)[:, None])
        scores: Tensor = self.attention_vector(queries).squeeze(-1)
        return scores

    def _advance(self, x: Tensor, states: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Advance the LSTM by an input [n, hidden] in place; return the state of its last layer."""
        for layer, cell in enumerate((self.cell, *self.upper)):
            states[layer] = cell(x if layer == 0 else states[layer - 1][0], states[layer])
        return states[-1][0]

    def _run(
        self, count: int, generator: torch.Generator | None, given: Tensor | None
    ) -> Decisions:
        """Decide all choices; the codes are those of `given` where it is not None."""
        # The first input is learned.
        start = self.start.expand(count, -1)
        x = start
        states = [(torch.zeros_like(x), torch.zeros_like(x)) for _ in (0, *self.upper)]
        anchors: dict[int, Anchor] = {}
        for outside in range(1, self.outside + 1):
            hidden = self._advance(x, states)
            # As in the release: such an input has a key, but zeros as its embedding.
            anchors[-outside] = Anchor(torch.zeros_like(hidden), self.anchor_weight(hidden))

        codes = []
        distributions = []
        log_probability = entropy = x.new_zeros(count)

        for column, classify in enumerate(self.classifiers):
            hidden = self._advance(x, states)
            attention = self.attentions[column]
            attended = [anchors[source] for source in attention.sources] if attention else []
            logits = self.attended(hidden, attended) if attention else classify(hidden)
            logits = logits / self.temperature
            bound = self.input_tanh_constant if attention else self.tanh_constant
            if bound is not None:
                logits = bound * logits.tanh()
            # After the bound, as in the release: the fixed prior is not squashed.
            fixed = self.fixed[column]
            if fixed is not None:
                logits = logits + logits.new_tensor(fixed)
            log_probs = logits.log_softmax(1)

            code = (
                _decide(log_probs, generator)
                if given is None
                else given[:, column].to(log_probs.device)
            )

            # The chain rule: log p(a) = sum of log p(a_i | a_1, ..., a_(i-1)).
            log_probability = log_probability + log_probs.gather(1, code[:, None]).flatten()
            entropy = entropy - (log_probs.exp() * log_probs).sum(1)
            codes.append(code)
            distributions.append(log_probs.exp())

            if attention:
                values = torch.stack([anchor.value for anchor in attended], 1)
                x = values[torch.arange(count, device=code.device), code]
            elif column < len(self.embeddings):
                x = self.embeddings[column](code)

            # A further step completes a node: its state is what later decisions attend to.
            if column in self.completing:
                hidden = self._advance(x, states)
                anchors[column] = Anchor(hidden, self.anchor_weight(hidden))
                x = start

        return Decisions(torch.stack(codes, 1), log_probability, entropy, distributions)


def _decide(log_probs: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return codes [n] sampled by log-probabilities [n, candidates], or the most probable ones."""
    if generator is None:
        return log_probs.argmax(1)
    # Sampled on the CPU, where the generator is.
    probs = log_probs.detach().exp().to("cpu", torch.float64)
    return torch.multinomial(probs, 1, generator=generator).flatten().to(log_probs.device)


def _shared(
    kinds: Iterable[Hashable],
    candidates: Sequence[int],
    attentions: Sequence[Attention | None],
    make: Callable[[int], nn.Module],
) -> list[nn.Module]:
    """Return a module for each choice, one for all choices of a kind."""
    modules: dict[Hashable, nn.Module] = {}
    result: list[nn.Module] = []
    for kind, count, attention in zip(kinds, candidates, attentions, strict=True):
        if attention is not None:
            result.append(nn.Identity())
            continue
        if kind not in modules:
            modules[kind] = make(count)
        result.append(modules[kind])
    return result


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
