"""The guide of a search, made from the options of the command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneshot.commands.options.base import name_and_value
from oneshot.commands.options.evaluation import supernet_evaluation

if TYPE_CHECKING:
    from oneshot.search.guide import Guide
    from oneshot.search.training_guide import ShortTrainingOptions
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


def short_training(
    guide_text: str, texts: tuple[str, ...], output: Path, evaluation: dict[str, Any]
) -> ShortTrainingOptions | None:
    """Return the settings, files and processes of short trainings; None for other guides.

    Args:
        guide_text: Text of `--guide`.
        texts: Texts of `--training`.
        output: File of the result, next to which the trainings are stored.
        evaluation: Values of the options of evaluations.

    Raises:
        InvalidOption: A setting is not accepted, or the guide has no trainings.
    """
    from oneshot.errors import InvalidOption
    from oneshot.search.guide_registry import GUIDES

    kind = _kind(guide_text)
    if GUIDES.aliases.get(kind, kind) != "train":
        if texts:
            raise InvalidOption(f"--training {texts[0]!r} is for --guide train:..., not this guide")
        return None

    from oneshot.retraining.short_settings import ShortTrainingSettings
    from oneshot.search.training_guide import ShortTrainingOptions

    options = dict(name_and_value(text, "steps=200", "--training") for text in texts)
    if kind == "tune":
        # Unlike `bf_tune`, it ends no training early.
        options.setdefault("rungs", 1)
    names = ("task", "device", "threads", "engine", "workers", "address")
    return ShortTrainingOptions(
        output.with_name(f"{output.name}.trainings"),
        ShortTrainingSettings.from_options(options),
        **{name: evaluation[name] for name in names},
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


def _kind(guide_text: str) -> str:
    return guide_text.partition(":")[0]
