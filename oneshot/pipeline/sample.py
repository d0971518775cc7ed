"""Sample files: pipelines that run as they are, with every further option as a comment."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from oneshot.pipeline.building import build_pipeline
from oneshot.pipeline.document import parse_document
from oneshot.pipeline.kinds import GENERAL_KEYS, PLUGINS, STAGES, StageKind
from oneshot.pipeline.options import StageOptions, key_of
from spaces.plugins import REQUIRED, Option

VOTING_PROXIES = ("jacob_cov", "trainability", "meco", "ntk_logdet")
"""Proxies that vote for a ranking: of different kinds, and none grows with the size alone."""

_WIDTH = 96

# Stages that remain where the algorithm itself decides an architecture.
_WITHOUT_SEARCH = ("profile", "train", "retrain", "export", "measure")

# Texts that need no quotes in YAML.
_PLAIN = re.compile(r"[A-Za-z0-9_./+][A-Za-z0-9_./+-]*")

# The default of an option that depends on the data set is in its help.
_NUMBER_IN_HELP = re.compile(r"\[default: ([0-9.e-]+)[],]")

_HEADER = """\
# A pipeline for: pathfit run FILE
#
# Each stage runs one of Pathfit's commands, and its keys are the options of that command. Options
# that are not set are comments with their defaults; remove `# ` in front of one to set it.
# `@profile` is the table of the stage profile. A stage may be removed, or replaced by the path of
# its file, such as `profile: table.json`.
"""


def sample_text(space: str, algorithm: str, task: str | None = None) -> str:
    """Return a pipeline with every option of every stage.

    Args:
        space: Name of the space.
        algorithm: Algorithm of the supernet's training.
        task: Name of the task; None for the commands' default.

    Raises:
        UnknownName: There is no such algorithm.
        InvalidPipeline: Space, algorithm and task do not fit together.
    """
    from oneshot.algorithms.registry import algorithm as algorithm_named
    from oneshot.tasks.registry import DEFAULT

    searches = algorithm_named(algorithm).searches_architecture
    general = {"space": space, "data": "digits", "seed": "0"}
    if task is not None:
        general["task"] = task

    lines = [_HEADER, *_general_lines(general)]
    for kind in STAGES.values():
        stage_lines = list(_stage_lines(kind, _active(kind, algorithm)))
        is_left_out = searches and kind.name not in _WITHOUT_SEARCH
        # Proxies of other tasks than the default one were not compared with true accuracies.
        if is_left_out or (kind.name == "proxies" and task not in (None, DEFAULT)):
            stage_lines = [f"# {line}".rstrip() for line in stage_lines]
        lines += ["", *stage_lines]

    text = "\n".join(lines) + "\n"

    # The sample is checked like a user's file, so that it never has a fault.
    build_pipeline(parse_document(text, Path("sample")), Path("runs/sample"))

    return text


def _active(kind: StageKind, algorithm: str) -> Mapping[str, str]:
    """Return the options that the sample sets."""
    active = {
        # Small networks gain little from a second thread, and lose much where work shares cores.
        "profile": {"threads": "1"},
        "train": {"algorithm": algorithm},
        # Proxies of different kinds that are normalised, see docs/results/accuracy.md; they vote
        # with the supernet's evaluations.
        "proxies": {
            "proxy": f"[{', '.join(VOTING_PROXIES)}]",
            "n": "96",
            "images": "32",
            "repeats": "2",
            "threads": "1",
        },
        # No limit is reasonable on all machines, while a front of two objectives always exists.
        "search": {"strategy": "pareto", "objective": "[latency_ms@profile]"},
    }
    return active.get(kind.name, {})


def _general_lines(values: Mapping[str, str]) -> Iterator[str]:
    keys = {key for kind in STAGES.values() for key in StageOptions(kind).general()}
    yield "# General keys go to every stage that has the option."
    for key, description in GENERAL_KEYS.items():
        if key == PLUGINS:
            yield from _comment(description, "# ")
            yield f"# {key}: [mine.py]"
        elif key in keys:
            yield from _comment(description, "# ")
            yield f"{key}: {_scalar(values[key])}" if key in values else f"# {key}: <text>"


def _stage_lines(kind: StageKind, active: Mapping[str, str]) -> Iterator[str]:
    options = StageOptions(kind)
    general = options.general()
    yield f"# {kind.description}"
    yield f"# Help: python -m {' '.join(kind.command)} --help"
    yield f"{kind.name}:"

    for option in options.all():
        key = key_of(option)
        # General keys are at the top; the file of the output and resuming are the pipeline's.
        if key in general or key in ("resume", "output"):
            continue
        if key == "option":
            yield from _registered_options(kind, active)
            continue

        text = option.help or f"One of {_placeholder(option)}."
        if key in kind.joined:
            text += "  [default: of the earlier stages]"

        yield from _comment(text, "  # ")
        if key in active:
            yield f"  {key}: {active[key]}"
        else:
            yield f"  # {key}: {_default(option, options.context)}"


def _registered_options(kind: StageKind, active: Mapping[str, str]) -> Iterator[str]:
    """Yield the options of the sample's algorithm or strategy, as comments."""
    from oneshot.algorithms.registry import ALGORITHMS, algorithm
    from oneshot.strategies.registry import STRATEGIES

    entries: Mapping[str, Option] = {}
    name = active["strategy" if kind.name == "search" else "algorithm"]
    if kind.name == "search":
        entries = STRATEGIES.options(name)
    elif algorithm(name).searches_architecture:
        entries = ALGORITHMS.options(name)

    if not entries:
        return

    yield f"  # Options of {name}."
    yield "  # option:"

    for option in entries.values():
        # Below `# ` the lines are YAML with comments of its own.
        yield from _comment(option.help, "  #   # ")
        default = "<required>" if option.default is REQUIRED else _json(option.default)
        yield f"  #   {option.name}: {default}"


def _default(option: click.Option, context: click.Context) -> str:
    """Return the default of an option as YAML, or in angle brackets the kind of its values."""
    in_help = _NUMBER_IN_HELP.search(option.help or "")
    if in_help is not None:
        return in_help[1]

    default = option.get_default(context)
    is_missing = default is None or option.required or option.multiple
    if is_missing:
        return _placeholder(option)
    if option.is_flag:
        return "true" if default else "false"

    return _scalar(str(default))


def _placeholder(option: click.Option) -> str:
    if option.is_flag:
        return "<true|false>"
    choices = getattr(option.type, "choices", None)
    name = "|".join(map(str, choices)) if choices else option.type.name.replace(" range", "")
    return f"<{name}>"


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _json(value: Any) -> str:
    """Return a default in JSON, which is YAML as well."""
    return json.dumps(value, default=str)


def _comment(text: str, indent: str) -> list[str]:
    """Return the lines of a comment, each with the indent."""
    sentence = " ".join(text.split())
    return textwrap.wrap(sentence, _WIDTH, initial_indent=indent, subsequent_indent=indent)
