"""Language modelling: each token of a text is predicted from those before it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn import functional

from oneshot.data.text.targets import spelled
from oneshot.errors import InvalidOption
from oneshot.tasks.overlapping import evaluate_windows
from oneshot.tasks.registry import register_task
from oneshot.tasks.tally import INTERVAL, Tally
from oneshot.tasks.task import Task
from spaces.modules.nested import batch_size, mapped
from tables.metrics import QUALITIES, Metric

if TYPE_CHECKING:
    from oneshot.data.images import ImageData


class Regularised(NamedTuple):
    """Outputs of a training with a penalty of the activations.

    Args:
        logits: Logits [b, length, vocabulary].
        penalty: Weighted penalty, which the loss adds.
    """

    logits: Tensor
    penalty: Tensor


@register_task("language")
class Language(Task):
    """Next tokens of a text: cross-entropy per token, perplexity and bits per character.

    Inputs are indices of tokens, int64 [b, length]; targets are the tokens that follow them, alone
    or as `SpelledTokens`. Networks map (inputs, state) to (logits [b, length, vocabulary], state);
    the state is None at the beginning of a set, and otherwise tensors [b, ...] in plain containers.

    The penalties are those of AWD-LSTM (Merity et al., arXiv 1708.02182, section 4.6), in training
    alone. They need a network with the modules `hidden_tap`, which passes the hidden states [b,
    length, width], and `output_dropout`, which passes what the decoder reads.

    Args:
        activation: Weight of the mean square of the hidden states that the decoder reads (alpha of
            the paper); 0: none.
        slowness: Weight of the mean square of the differences of successive hidden states (beta);
            0: none.

    Raises:
        InvalidOption: A weight is negative.

    Example:
        >>> import torch
        >>> loss = Language().loss(torch.zeros(2, 3, 5), torch.zeros(2, 3, dtype=torch.int64))
        >>> round(math.exp(loss.item()), 3)
        5.0
    """

    head = "tokens"
    metrics: ClassVar[Mapping[str, Metric]] = {
        "cross_entropy": QUALITIES["cross_entropy"],
        "perplexity": Metric("", title="perplexity"),
        "bits_per_character": Metric("bits", title="bits per character"),
    }
    titles: ClassVar[Mapping[str, str]] = {"cross_entropy": "cross-entropy"}
    carries_state = True

    def __init__(self, *, activation: float = 0.0, slowness: float = 0.0):
        for name, weight in (("activation", activation), ("slowness", slowness)):
            if not 0 <= weight < math.inf:
                raise InvalidOption(f"{name} must be at least 0, not {weight}")
        self.activation = activation
        self.slowness = slowness

    def loss(self, outputs: Any, targets: Any, smoothing: float = 0.0) -> Tensor:
        """Return the mean cross-entropy of the tokens, with the penalty of the activations."""
        tokens = spelled(targets).tokens
        logits = _logits(outputs)
        loss = functional.cross_entropy(
            logits.flatten(0, 1), tokens.flatten(), label_smoothing=smoothing
        )
        return loss + outputs.penalty if isinstance(outputs, Regularised) else loss

    def tally(self, device: torch.device) -> Tally:
        """Return an empty tally of the metrics."""
        return _Tally()

    def rewards(self, outputs: Any, targets: Any) -> Tensor:
        """Return the mean log-probability of each row's tokens [b]."""
        return -_token_losses(outputs, targets).mean(1)

    def check(self, data: ImageData) -> None:
        """Check that the targets are tokens.

        Raises:
            InvalidOption: They are not one integer for each input token.
        """
        inputs, targets = data.train.tensors([0])
        tokens = getattr(targets, "tokens", targets)
        if not (
            isinstance(inputs, Tensor)
            and isinstance(tokens, Tensor)
            and not inputs.is_floating_point()
            and not tokens.is_floating_point()
            and inputs.ndim == 2
            and inputs.shape == tokens.shape
        ):
            raise InvalidOption(
                f"task: language needs a text, such as --data text:FOLDER, which {data.title} is"
                " not"
            )

    def forward(self, model: nn.Module, inputs: Tensor, state: Any) -> tuple[Any, Any]:
        """Run a model on the next windows of a text.

        Args:
            model: Model, with its path active.
            inputs: Indices of tokens [b, length].
            state: State of the windows before, of as many rows or more: the last windows of a set
                may be those of its first rows.
        """
        rows = len(inputs)
        if batch_size(state) > rows:
            state = mapped(state, lambda tensor: tensor[:rows])

        if not model.training:
            return evaluate_windows(model, inputs, state)

        if not (self.activation or self.slowness):
            logits, following = model(inputs, state)
            return logits, following

        with _Activations(model) as activations:
            logits, following = model(inputs, state)
        return Regularised(logits, activations.penalty(self.activation, self.slowness)), following


class _Activations(AbstractContextManager["_Activations"]):
    """Records the hidden states of a network while the block runs it.

    Args:
        model: Network with the modules `hidden_tap` and `output_dropout`.

    Raises:
        InvalidOption: The network has no such modules.
    """

    def __init__(self, model: nn.Module):
        modules = dict(model.named_modules())
        self._modules = []
        for name in ("hidden_tap", "output_dropout"):
            if name not in modules:
                raise InvalidOption(
                    "activation and slowness need recurrent networks with hidden states, such as"
                    " those of rnn; this network has none"
                )
            self._modules.append(modules[name])
        self._outputs: list[Tensor] = [torch.empty(0), torch.empty(0)]
        self._hooks = ExitStack()

    def __enter__(self) -> _Activations:
        for index, module in enumerate(self._modules):
            hook = module.register_forward_hook(
                lambda _, __, output, index=index: self._outputs.__setitem__(index, output)
            )
            self._hooks.callback(hook.remove)
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.close()

    def penalty(self, activation: float, slowness: float) -> Tensor:
        """Return the weighted penalty of the recorded states."""
        states, read = self._outputs
        penalty = activation * read.float().square().mean()
        # A window of one token has no successive states.
        if states.shape[1] > 1:
            penalty = penalty + slowness * states.float().diff(dim=1).square().mean()
        return penalty


class _Tally(Tally):
    """Sums of the losses of tokens, of their squares, and of their characters."""

    def __init__(self) -> None:
        self._sums: Tensor | None = None

    @torch.no_grad()
    def add(self, outputs: Any, targets: Any) -> None:
        """Add logits [b, length, vocabulary] and the tokens that follow."""
        losses = _token_losses(outputs, targets).double()
        characters = spelled(targets).characters.sum().double()
        count = losses.new_tensor(losses.numel())
        sums = torch.stack([count, characters, losses.sum(), losses.square().sum()])
        self._sums = sums if self._sums is None else self._sums + sums

    def merge(self) -> None:
        """Add up the sums of all processes."""
        if self._sums is not None:
            torch.distributed.all_reduce(self._sums)

    def metrics(self) -> dict[str, float]:
        """Return the metrics."""
        if self._sums is None:
            return {}
        count, characters, total, _ = self._sums.tolist()
        return {**_of_loss(total / count, characters / count)}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the intervals by the normal approximation of the mean loss of tokens."""
        if self._sums is None:
            return {}
        count, characters, total, squares = self._sums.tolist()
        mean = total / count
        variance = max(0.0, squares / count - mean**2)
        half = INTERVAL * math.sqrt(variance / max(1.0, count - 1))

        # All metrics rise with the loss, so that their ends are those of its interval.
        low, high = (_of_loss(end, characters / count) for end in (mean - half, mean + half))
        return {name: (low[name], high[name]) for name in low}

    def details(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return the number of tokens and of their characters."""
        if self._sums is None:
            return {}
        count, characters, _, _ = self._sums.tolist()
        return {"tokens": int(count), "characters": int(characters)}


def _of_loss(loss: float, characters_per_token: float) -> dict[str, float]:
    """Return the metrics of a mean loss per token in nats."""
    return {
        "cross_entropy": loss,
        # The exponential of the loss of a diverged network is no floating-point number.
        "perplexity": math.exp(loss) if loss < 700 else math.inf,
        "bits_per_character": loss / math.log(2) / characters_per_token,
    }


def _token_losses(outputs: Any, targets: Any) -> Tensor:
    """Return the cross-entropy of each token [b, length]."""
    logits = _logits(outputs).float()
    return functional.cross_entropy(
        logits.transpose(1, 2), spelled(targets).tokens, reduction="none"
    )


def _logits(outputs: Any) -> Tensor:
    """Return the logits of a network's outputs; without a task they come with a state."""
    logits: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return logits
