"""The command `python -m oneshot generate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from oneshot.commands.options.base import POSITIVE, SEED, set_threads
from spaces.console.group import example

if TYPE_CHECKING:
    from torch import Tensor

    from oneshot.data.text.vocabulary import Vocabulary


@click.command(
    epilog=example(
        """
        python -m oneshot generate runs/network
        python -m oneshot generate runs/network --prompt 'ROMEO:' --tokens 500 --temperature 0.8
        """
    )
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--prompt",
    default=None,
    help="Text that is continued.  [default: the end of a line]",
)
@click.option(
    "--tokens",
    "count",
    type=POSITIVE,
    default=300,
    show_default=True,
    help="Number of tokens to generate.",
)
@click.option(
    "--temperature",
    type=float,
    default=1.0,
    show_default=True,
    help="Divisor of the logits; below 1 probable tokens become more frequent, 0 takes the best.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of the tokens.")
@click.option("--threads", type=POSITIVE, default=None, help="Number of torch's threads.")
def generate(
    folder: Path,
    prompt: str | None,
    count: int,
    temperature: float,
    seed: int,
    threads: int | None,
) -> None:
    """Print a text that a retrained network of text generates."""
    import torch

    from oneshot.data.text.reading import joined
    from oneshot.data.text.vocabulary import UNKNOWN, Vocabulary
    from oneshot.errors import InvalidOption
    from oneshot.evaluation.generation import generate as generate_tokens
    from oneshot.run import read_run

    set_threads(threads)
    run = read_run(folder, "network")
    if not run.task.carries_state:
        raise InvalidOption(
            f"{folder}: a network of the task language generates text, not one of"
            f" {run.settings.task}"
        )
    vocabulary = Vocabulary(tuple(run.settings.classes or ()))
    tokens = generate_tokens(
        run.load(),
        _prompt_tokens(prompt, vocabulary),
        count,
        torch.Generator().manual_seed(seed),
        temperature=temperature,
        excluded=[vocabulary.index[UNKNOWN]],
    )
    words = [vocabulary.tokens[index] for index in tokens.tolist()]
    click.echo((prompt or "") + joined(words, vocabulary.level))


def _prompt_tokens(prompt: str | None, vocabulary: Vocabulary) -> Tensor:
    """Return the indices of a prompt's tokens; without one, the end of a line or any token."""
    import torch

    from oneshot.data.text.reading import tokenized
    from oneshot.data.text.vocabulary import END
    from oneshot.errors import InvalidOption

    if prompt is None:
        ends = [vocabulary.index[end] for end in (END, "\n") if end in vocabulary.index]
        return torch.tensor([*ends, len(vocabulary) - 1][:1])

    tokens = tokenized(prompt, vocabulary.level)
    if vocabulary.level == "words":
        # The prompt is the beginning of a line, which goes on.
        tokens = tokens[:-1]
    for token in tokens:
        if token not in vocabulary.index:
            raise InvalidOption(f"prompt: the network's vocabulary lacks {token!r}")
    return torch.from_numpy(vocabulary.encode(tokens))
