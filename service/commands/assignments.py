"""Options of the form NAME=VALUE."""

from __future__ import annotations

from collections.abc import Sequence

import click

Value = bool | int | float | str

_BOOLEANS = {"true": True, "false": False}


def parse_assignments(texts: Sequence[str]) -> dict[str, Value]:
    """Parse `["train=30", "refit=true"]` as `{"train": 30, "refit": True}`.

    Raises:
        click.BadParameter: A text is not of the form NAME=VALUE.
    """
    values: dict[str, Value] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"expected NAME=VALUE, not {text!r}", param_hint="--option")
        values[name] = _parse_value(value)

    return values


def _parse_value(text: str) -> Value:
    if text in _BOOLEANS:
        return _BOOLEANS[text]

    # int first: "3" must not become 3.0.
    for number_type in (int, float):
        try:
            return number_type(text)
        except ValueError:
            continue

    return text
