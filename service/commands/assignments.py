"""Options given as NAME=VALUE."""

from __future__ import annotations

from collections.abc import Sequence

import click

Value = bool | int | float | str

_WORDS: dict[str, Value] = {"true": True, "false": False}


def assigned(given: Sequence[str]) -> dict[str, Value]:
    """`["train=30", "refit=true"]` as `{"train": 30, "refit": True}`; raises click.BadParameter."""
    found: dict[str, Value] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is no NAME=VALUE", param_hint="--option")
        found[name] = _WORDS[value] if value in _WORDS else _number(value)
    return found


def _number(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
