"""Keys of a stage as options of its click command, and their values as texts of a command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from oneshot.pipeline.kinds import GENERAL_KEYS, StageKind

if TYPE_CHECKING:
    from oneshot.pipeline.document import Value

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


class StageOptions:
    """The options of a stage's command by the keys that a pipeline names them with.

    A key is the long name of an option, with `-` or `_`, or its short name; an option without a
    long name also has that of its parameter.

    Args:
        kind: Kind of the stage.

    Example:
        >>> from oneshot.pipeline.kinds import STAGES
        >>> options = StageOptions(STAGES["train"])
        >>> flag(options.find("batch_size"))
        '--batch-size'
    """

    def __init__(self, kind: StageKind):
        self.kind = kind
        self.command = kind.load()
        self.context = click.Context(self.command, info_name=" ".join(kind.command))
        self._options: dict[str, click.Option] = {}
        # Long names first: one command's short name must not hide another's long one.
        for option in self.all():
            for name in _long_names(option):
                self._options[name] = option

        for option in self.all():
            for name in _short_names(option):
                self._options.setdefault(name, option)

    def all(self) -> list[click.Option]:
        """Return the options in the order of the command's help."""
        return [
            parameter
            for parameter in self.command.params
            if isinstance(parameter, click.Option) and not parameter.hidden
        ]

    def keys(self) -> list[str]:
        """Return the keys that messages list: one for each option."""
        return [key_of(option) for option in self.all() if key_of(option) != "resume"]

    def find(self, key: str) -> click.Option | None:
        """Return the option of a key; None where the command has none."""
        return self._options.get(key.replace("_", "-"))

    def general(self) -> dict[str, click.Option]:
        """Return the options that general keys of a pipeline set, by key."""
        options = {key: self.find(key) for key in GENERAL_KEYS if key not in self.kind.excluded}
        return {key: option for key, option in options.items() if option is not None}

    def check(self, option: click.Option, texts: Sequence[str]) -> None:
        """Convert texts by the option's own type; raises click.BadParameter where it refuses."""
        if option.is_flag:
            return
        value = list(texts) if option.multiple or option.nargs != 1 else texts[0]
        option.type_cast_value(self.context, value)


def key_of(option: click.Option) -> str:
    """Return the key that a pipeline's file has for an option."""
    names = [*_long_names(option), *_short_names(option)]
    return names[0]


def flag(option: click.Option | None) -> str:
    """Return the text that sets an option on a command line; the short one where there is one."""
    assert option is not None
    return option.opts[0]


def is_output(option: click.Option) -> bool:
    """Return whether an option names a file or folder that the command writes."""
    return bool(getattr(option.type, "is_output", False))


def read_texts(option: click.Option, value: Value) -> list[str]:
    """Return the texts of a value.

    Args:
        option: Option that the value is for.
        value: Text, list or mapping of a pipeline's file. A list is one of repeated values, or of
            values that the option separates by commas. A mapping is one of NAME=VALUE.

    Returns:
        Texts as on a command line: one for each repetition; for a flag `true` or `false`.

    Raises:
        ValueError: The option does not accept such a value; the message names the accepted kind.
    """
    if value is None:
        raise ValueError("has no value; remove the key for the default")
    if option.is_flag:
        return [_truth(value)]
    if isinstance(value, dict):
        if not option.multiple:
            raise ValueError("takes a value, not a mapping")
        return [f"{key}={_json(entry.value)}" for key, entry in value.items()]

    if not isinstance(value, list):
        return [value]

    texts = []
    for item in value:
        if not isinstance(item, str):
            raise ValueError("takes a list of plain values")
        texts.append(item)

    separator = getattr(option.type, "separator", None)
    if separator is not None:
        texts = [separator.join(texts)]
    elif not option.multiple and option.nargs != len(texts):
        takes = "one value" if option.nargs == 1 else f"{option.nargs} values"
        raise ValueError(f"takes {takes}, not a list of {len(texts)}")

    return texts


def command_arguments(option: click.Option, texts: Sequence[str]) -> list[str]:
    """Return the arguments of a command line that set an option to texts."""
    if option.is_flag:
        if texts[0] == "true":
            return [flag(option)]
        return option.secondary_opts[:1]

    if option.multiple:
        return [argument for text in texts for argument in (flag(option), text)]

    return [flag(option), *texts]


def _long_names(option: click.Option) -> list[str]:
    return [name[2:] for name in option.opts if name.startswith("--")]


def _short_names(option: click.Option) -> list[str]:
    names = [name[1:] for name in option.opts if not name.startswith("--")]
    if not _long_names(option) and option.name is not None:
        names.append(option.name.replace("_", "-"))
    return names


def _truth(value: Value) -> str:
    text = value.lower() if isinstance(value, str) else ""
    if text in _TRUE:
        return "true"
    if text in _FALSE:
        return "false"

    raise ValueError("is a flag; write true or false")


def _json(value: Value) -> str:
    """Return a value of an option NAME=VALUE, which commands read as JSON or else as text."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(_json_element(item) for item in value)}]"
    if isinstance(value, dict):
        # Such as the schedule of an algorithm's option.
        items = (f"{json.dumps(key)}: {_json_element(entry.value)}" for key, entry in value.items())
        return f"{{{', '.join(items)}}}"
    return value


def _json_element(value: Value) -> str:
    text = _json(value)
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text)

    return text
