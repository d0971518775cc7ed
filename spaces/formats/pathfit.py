"""Pathfit's own JSON: `{"space": "spos", "choices": {"layer_1": "k7", ...}}`."""

from __future__ import annotations

from collections.abc import Mapping

from spaces.architecture import Architecture
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture
from spaces.formats.format import Source
from spaces.formats.json_text import parse_json


class Pathfit:
    """JSON as `Architecture.to_json` writes it."""

    def detects(self, text: str, value: object) -> bool:
        return isinstance(value, dict) and {"space", "choices"} <= value.keys()

    def read(self, source: Source) -> Architecture:
        value = parse_json(source.text)
        space = source.space
        if space is None:
            return Architecture.from_dict(value)

        # `Architecture.from_dict` knows registered spaces only.
        if isinstance(value, Mapping) and value.get("space") == space.name:
            choices = value.get("choices")
            if isinstance(choices, Mapping):
                return space.architecture(choices)

        architecture = Architecture.from_dict(value)
        if architecture.space != space.name:
            raise InvalidArchitecture(
                f"this is an architecture of {architecture.space}, not of {space.name}"
            )
        return architecture

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        return architecture.to_json()
