"""The guide of a search, made from the options of the command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import name_and_value
from oneshot.commands.options.evaluation import supernet_evaluation

if TYPE_CHECKING:
    from oneshot.search.guide import Guide
    from oneshot.search.training_guide import ShortTrainingOptions
    from spaces.progress import Progress
    from spaces.space import SearchSpace
    from tables.evaluation import Journal

# Sub-networks of a supernet that are evaluated between two reports of progress.
_CHUNK = 25

# Kinds of guides whose evaluations take so long that they are stored.
_JOURNALLED = ("supernet", "train", "tune", "bf_tune", "sum", "multishot")


def load_guide(
    guide_text: str,
    space: SearchSpace,
    journal: Journal | None,
    rank_by: str | None,
    training: ShortTrainingOptions | None,
    evaluation: dict[str, Any],
) -> Guide:
    """Load the guide of a search.

    Args:
        guide_text: Text of `--guide`.
        space: Space of the search.
        journal: Journal of the evaluations; None: they are not stored.
        rank_by: Metric by which a supernet scores; None: the score of its task.
        training: Settings, files and processes of short trainings; None: they are not possible.
        evaluation: Values of the options of evaluations.
    """
    from oneshot.search.guide_registry import guide_named

    return guide_named(
        guide_text,
        space,
        lambda run: supernet_evaluation(run, evaluation),
        journal,
        rank_by=rank_by,
        training=training,
    )


def check_training_options(texts: tuple[str, ...], guide_texts: Sequence[str]) -> None:
    """Raise InvalidOption where there are settings of trainings, but no guide that trains.

    Args:
        texts: Texts of `--training`.
        guide_texts: Texts of all guides of the search.
    """
    from oneshot.errors import InvalidOption

    if texts and not any(map(_trains, guide_texts)):
        raise InvalidOption(f"--training {texts[0]!r} is for --guide train:..., not this guide")


def short_training(
    guide_text: str,
    texts: tuple[str, ...],
    output: Path,
    evaluation: dict[str, Any],
    progress: Progress,
) -> ShortTrainingOptions | None:
    """Return the settings, files and processes of short trainings; None for other guides.

    Args:
        guide_text: Text of the guide.
        texts: Texts of `--training`.
        output: File of the result, next to which the trainings are stored.
        evaluation: Values of the options of evaluations.
        progress: Called after each training of a rung.

    Raises:
        InvalidOption: A setting is not accepted.
    """
    if not _trains(guide_text):
        return None

    from oneshot.retraining.short_settings import ShortTrainingSettings
    from oneshot.search.training_guide import ShortTrainingOptions

    options = dict(name_and_value(text, "steps=200", "--training") for text in texts)
    if _kind(guide_text) == "tune":
        # Unlike `bf_tune`, it ends no training early.
        options.setdefault("rungs", 1)
    names = ("task", "device", "threads", "engine", "workers", "address")
    return ShortTrainingOptions(
        output.with_name(f"{output.name}.trainings"),
        ShortTrainingSettings.from_options(options),
        **{name: evaluation[name] for name in names},
        progress=progress,
    )


def open_journal(guide_text: str, output: Path, space: SearchSpace, resume: bool) -> Journal | None:
    """Open the journal of a search's evaluations; None for guides that score at once.

    Args:
        guide_text: Text of `--guide`.
        output: File of the result, next to which the journal is.
        space: Space of the search.
        resume: Whether an interrupted search is resumed.

    Raises:
        InvalidRun: There is a journal of another search.
    """
    from oneshot.errors import InvalidRun
    from tables.evaluation import Journal

    if _kind(guide_text) not in _JOURNALLED:
        return None

    path = output.with_name(f"{output.name}.evaluations.jsonl")
    if path.exists() and not resume:
        raise InvalidRun(f"{path} holds evaluations of a search; give --resume or another output")
    return Journal(path, space.name)


def chunk_size(guide_text: str, engine: str) -> int | None:
    """Return the number of evaluations between two reports of progress; None: a whole batch.

    Args:
        guide_text: Text of `--guide`.
        engine: Engine of the evaluations.
    """
    # Ray's processes need whole batches, candidates of short trainings compete within one, and a
    # predictor scores one at once.
    in_process = engine == "local"
    has_supernets = _kind(guide_text) in ("supernet", "sum", "multishot")
    return _CHUNK if has_supernets and in_process else None


def ranking_of(guide_text: str, rank_by: str | None, guide_texts: Sequence[str]) -> str | None:
    """Return the metric by which a guide ranks: `rank_by`, unless another guide is meant.

    Args:
        guide_text: Text of the guide.
        rank_by: Value of `--rank-by`.
        guide_texts: Texts of all guides of the search.
    """
    ranking = [text for text in guide_texts if _kind(text) in ("supernet", "multishot")]
    return rank_by if guide_text in ranking or not ranking else None


@contextmanager
def resumable(journal: Journal | None) -> Iterator[None]:
    """Say at Ctrl-C how many evaluations are stored, and end the process with exit code 130.

    Args:
        journal: Journal of the evaluations. None: nothing was stored that a second run could
            resume from, and the interrupt goes on.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if journal is None:
            raise
        click.echo(f"stopped after {len(journal.done)} evaluations; resume with --resume", err=True)
        raise SystemExit(130) from interrupt


def _trains(guide_text: str) -> bool:
    from oneshot.search.guide_registry import GUIDES

    kind = _kind(guide_text)
    return GUIDES.aliases.get(kind, kind) == "train"


def _kind(guide_text: str) -> str:
    return guide_text.partition(":")[0]
