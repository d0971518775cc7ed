"""Files that join stages: default arguments, and references such as `@profile`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from oneshot.pipeline.kinds import STAGES
from oneshot.pipeline.settings import StageSettings
from spaces.errors import UnknownName

GUIDES = {"supernet": "train", "predictor": "predict"}
"""Guide without a location -> stage whose file it scores by."""

Texts: TypeAlias = dict[str, tuple[str, ...]]
"""Key of an option -> its texts."""

GUIDE_KEYS = ("guide", "final-guide")
"""Keys of the stage search that name guides."""

_REFERENCE = re.compile(rf"(?P<before>.*)@\s*(?P<stage>{'|'.join(STAGES)})\s*", re.DOTALL)


class UnresolvedJoint(Exception):
    """A stage needs a file that no earlier stage writes; the message names the remedy."""


class Joints:
    """Files of the stages so far.

    Args:
        files: Stage -> path of its output, or of the file that replaces it.
        replaced: Names of the stages whose files exist already.
        training: Settings of the stage train; None where it is left out or replaced.
        space: Name of the space that the latest stage trained or searched; None for an unknown one.
        index: Index of the architecture to retrain in a file of several.
    """

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.replaced: set[str] = set()
        self.training: StageSettings | None = None
        self.space: str | None = None
        self.index: str | None = None

    def architecture(self) -> str | None:
        """Return the path of the architecture that the training decides; None where it does not."""
        from oneshot.algorithms.results import ARCHITECTURE

        if "train" not in self.files:
            return None

        path = Path(self.files["train"]) / ARCHITECTURE
        # Evaluated last, because importing the algorithm takes seconds.
        decides = path.is_file() if self.training is None else _decides(self.training)
        return str(path) if decides else None

    def file(self, name: str, settings: StageSettings, hint: str = "") -> str:
        """Return the file of an earlier stage and record that the stage needs it.

        Raises:
            UnresolvedJoint: The pipeline has no such stage before this one.
        """
        if name not in self.files:
            position = list(STAGES).index(name) - list(STAGES).index(settings.kind.name)
            if position >= 0:
                raise UnresolvedJoint(f"{name} does not run before {settings.kind.name}")

            raise UnresolvedJoint(
                f"needs the stage {name}, which the pipeline lacks; add `{name}: {{}}`, or"
                f" `{name}: PATH` with its file{hint}"
            )

        if name not in settings.needs:
            settings.needs.append(name)

        return self.files[name]

    def resolve(self, text: str, key: str, settings: StageSettings) -> str:
        """Replace a reference to a stage at the end of a text by the path of its file.

        Args:
            text: Text of an option, such as `latency_ms<=2@profile`.
            key: Key of the option.
            settings: Settings of the stage that has the option.

        Raises:
            UnresolvedJoint: The stage does not exist, or is none of the earlier ones.
        """
        match = _referring(text, key)
        if match is None:
            return text

        path = self.file(match["stage"], settings)
        # A text of a reference alone is the path; otherwise `@` separates a metric from its table.
        before = match["before"]
        separator = "@" if before and not before.endswith(":") else ""
        return f"{before}{separator}{path}"

    def is_pending(self, text: str, key: str) -> bool:
        """Return whether a text of an option names a file that a stage is still to write."""
        match = _referring(text, key)
        return match is not None and match["stage"] not in self.replaced

    def join(self, settings: StageSettings) -> Texts:
        """Add the positional arguments of a stage; return texts for options that are not set.

        Raises:
            UnresolvedJoint: A file is needed that no earlier stage writes.
        """
        join = _JOINTS.get(settings.kind.name)
        return {} if join is None else join(self, settings)


def _referring(text: str, key: str) -> re.Match[str] | None:
    """Return the parts of a text that refers to a stage; None for any other text."""
    if key in GUIDE_KEYS and text in GUIDES:
        text = f"{text}:@{GUIDES[text]}"
    return _REFERENCE.fullmatch(text)


def _decides(training: StageSettings) -> bool:
    """Return whether a training decides an architecture; False for an unknown algorithm."""
    from oneshot.algorithms.registry import algorithm

    name = training.text("algorithm")
    try:
        return name is not None and algorithm(name).searches_architecture
    except UnknownName:
        return False


def _join_evaluate(joints: Joints, settings: StageSettings) -> Texts:
    settings.arguments.append(joints.file("train", settings))
    return {}


def _join_predict(joints: Joints, settings: StageSettings) -> Texts:
    if settings.get("data") is not None:
        return {}
    if _votes(joints, settings):
        sources = [name for name in ("proxies", "evaluate") if name in joints.files]
        return {"columns": tuple(joints.file(name, settings) for name in sources)}
    if settings.get("columns") is not None and "evaluate" not in joints.files:
        return {}
    return {"data": (joints.file("evaluate", settings, ", or set predict.data"),)}


def _votes(joints: Joints, settings: StageSettings) -> bool:
    """Return whether proxies, and a supernet's evaluations with them, vote without labels.

    Evaluations are no labels to weigh proxies by, since a supernet's errors are systematic. They
    are labels where the pipeline names columns, a metric, a baseline or another encoder.
    """
    if "proxies" not in joints.files or settings.get("columns") is not None:
        return False
    if "evaluate" not in joints.files:
        return True

    has_labels = any(settings.get(key) is not None for key in ("metric", "baseline"))
    encoder = settings.get("encoder")
    return not has_labels and (encoder is None or encoder.texts[0] == "evidence")


def _join_search(joints: Joints, settings: StageSettings) -> Texts:
    texts: Texts = {}
    # The best networks are measured as the table of this machine was.
    is_verified = settings.get("verify") is not None
    if is_verified and settings.get("table") is None and "profile" in joints.files:
        texts["table"] = (joints.file("profile", settings),)

    if settings.get("guide") is not None:
        return texts
    if "predict" not in joints.files and "train" in joints.files:
        return {"guide": (f"supernet:{joints.file('train', settings)}",), **texts}

    hint = ", or set search.guide, such as supernet or benchmark:nasbench201"
    return {"guide": (f"predictor:{joints.file('predict', settings, hint)}",), **texts}


def _join_retrain(joints: Joints, settings: StageSettings) -> Texts:
    joints.index = settings.text("index")
    if settings.get("arch") is not None:
        return {}

    architecture = None if "search" in joints.files else joints.architecture()
    if architecture is not None:
        joints.file("train", settings)
        return {"arch": (architecture,)}

    hint = ", or train by an algorithm that decides an architecture, or set retrain.arch"
    return {"arch": (joints.file("search", settings, hint),)}


def _join_export(joints: Joints, settings: StageSettings) -> Texts:
    settings.arguments.append(joints.file("retrain", settings))
    return {}


def _join_measure(joints: Joints, settings: StageSettings) -> Texts:
    """Measure the architecture in the table's runtime, and the exported network."""
    architecture = None if "search" in joints.files else joints.architecture()
    if "search" in joints.files:
        settings.arguments.append(joints.file("search", settings))
    elif architecture is not None:
        joints.file("train", settings)
        settings.arguments.append(architecture)

    if "export" in joints.files:
        settings.arguments.append(joints.file("export", settings))

    if not settings.arguments:
        raise UnresolvedJoint("has nothing to measure; add the stage search or export")

    texts: Texts = {}
    if settings.get("table") is None and "profile" in joints.files:
        texts["table"] = (joints.file("profile", settings),)

    # The network that was trained, not the best one.
    if settings.get("index") is None and joints.index not in (None, "0"):
        texts["index"] = (str(joints.index),)

    return texts


_JOINTS: Mapping[str, Callable[[Joints, StageSettings], Texts]] = {
    "evaluate": _join_evaluate,
    "predict": _join_predict,
    "search": _join_search,
    "retrain": _join_retrain,
    "export": _join_export,
    "measure": _join_measure,
}
