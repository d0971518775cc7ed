"""Fixed architectures: from files, and from NNI's tuners."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oneshot.errors import InvalidOption
from oneshot.mutators.binding import bare
from oneshot.mutators.mutator import FixedArchitecture
from oneshot.mutators.names import ChoiceNames
from spaces.choice import Choice
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidFile
from spaces.files import write_text
from spaces.formats.json_text import read_json
from spaces.formats.nni.search_space import write_search_space
from spaces.formats.nni.values import Spelling, candidate_of, read_value
from spaces.modules.mutable import Mutable, assign_keys

_log = logging.getLogger(__name__)

# Every spelling of a value that a generation of NNI writes.
_SPELLING = Spelling("NNI", multi_hot=True, plain=True, index_text=True)


def apply_fixed_architecture(
    model: nn.Module,
    fixed_arc: str | Path | Mapping[str, Any],
    device: torch.device | str | None = None,
) -> FixedArchitecture:
    """Let a model run a fixed architecture.

    Args:
        model: Model with choices, in place.
        fixed_arc: JSON file, or its content, as a trainer's or mutator's export or NNI's files of
            versions 1 to 3 have it: choice -> mask, name, index or list of indices.
        device: Device to move the model to; None to leave it where it is.

    Returns:
        Mutator that is bound to the model.

    Raises:
        InvalidFile: The file is no JSON object.
        InvalidOption: A choice is missing or unknown.
        InvalidArchitecture: A value is no candidate of its choice.

    Example:
        >>> from spaces import LayerChoice
        >>> model = nn.Sequential(LayerChoice([nn.ReLU(), nn.Identity()], key="layer"))
        >>> architecture = apply_fixed_architecture(model, {"layer": [False, True]})
        >>> model(torch.tensor([-1.0]))
        tensor([-1.])
    """
    values = _read(fixed_arc) if isinstance(fixed_arc, str | Path) else dict(fixed_arc)
    plain = {
        key: value.tolist() if isinstance(value, Tensor) else value for key, value in values.items()
    }
    architecture = _fixed(model, plain, _listed_candidate)
    if device is not None:
        model.to(device)
    return architecture


def get_and_apply_next_architecture(model: nn.Module) -> FixedArchitecture:
    """Let a model run the architecture of this trial of NNI.

    Where `nnictl ss_gen` has set `NNI_GEN_SEARCH_SPACE`, the search space of the model is written
    to that file instead, and the process exits. Outside of NNI the first candidates are used.

    Args:
        model: Model with choices, in place.

    Returns:
        Mutator that is bound to the model.

    Raises:
        InvalidOption: The tuner's sample is not of this model.
    """
    path = os.environ.get("NNI_GEN_SEARCH_SPACE")
    if path:
        write_text(path, write_search_space(model_space(model)) + "\n")
        sys.exit(0)

    sample = _next_parameter()
    if not sample:
        _log.warning("there is no trial of NNI: the first candidate of each choice is used")
        firsts = {mutable.choice.key: 0 for mutable in assign_keys(bare(model))}
        return FixedArchitecture(model, firsts)

    return _fixed(model, sample, _sampled_candidate)


def model_space(model: nn.Module) -> ChoiceSpace:
    """Return the choices of a model, named by the keys of its mutables as in NNI.

    Args:
        model: Model with choices.
    """
    choices = {
        mutable.key: replace(mutable.choice, key=mutable.key)
        for mutable in assign_keys(bare(model))
    }
    return ChoiceSpace("nni", list(choices.values()))


def _next_parameter() -> dict[str, Any]:
    """Return the sample of this trial; nothing outside of NNI."""
    # NNI's platform is set in trials alone.
    if os.environ.get("NNI_PLATFORM") in (None, "unittest"):
        return {}

    import nni  # type: ignore[import-not-found, unused-ignore]

    return dict(nni.get_next_parameter() or {})


def _fixed(
    model: nn.Module, values: Mapping[str, Any], candidate: Callable[[Choice, Any], Any]
) -> FixedArchitecture:
    """Bind a fixed architecture.

    Args:
        model: Model with choices.
        values: Values by any names of the choices.
        candidate: Maps a choice and its value to a value that `FixedArchitecture` accepts.
    """
    groups: dict[str, list[Mutable]] = {}
    for mutable in assign_keys(bare(model)):
        groups.setdefault(mutable.choice.key, []).append(mutable)

    architecture = {
        # FixedArchitecture names the unknown keys.
        key: candidate(groups[key][0].choice, value) if key in groups else value
        for key, value in ChoiceNames(groups).internal(values).items()
    }
    return FixedArchitecture(model, architecture)


def _listed_candidate(choice: Choice, value: Any) -> Any:
    """Return the candidate of a file's value; weights of several candidates stay as they are."""
    if isinstance(value, list) and any(
        type(item) is float and item not in (0, 1) for item in value
    ):
        return value
    return read_value(choice, value, _SPELLING)


def _sampled_candidate(choice: Choice, entry: Any) -> str:
    """Return the candidate of a tuner's sample."""
    if not isinstance(entry, Mapping) or "_idx" not in entry:
        raise InvalidOption(
            f"{choice.key}: a tuner's sample has '_value' and '_idx', not {entry!r:.60}"
        )
    index = entry["_idx"]
    return candidate_of(choice, index) if isinstance(index, list) else choice.candidates[index]


def _read(path: str | Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise InvalidFile(f"{path}: an architecture is a JSON object, not {content!r:.40}")
    return content
