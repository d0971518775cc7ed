"""Pathfit's own JSON: `{"space": "spos", "choices": {"layer_1": "k7", ...}}`."""

from __future__ import annotations

from collections.abc import Mapping

from spaces.architecture import Architecture
from spaces.choice_space import ChoiceSpace
from spaces.errors import InvalidArchitecture
from spaces.formats.format import Source
from spaces.formats.json_text import parse_json


class Pathfit:
    """The JSON that `Architecture.to_json` writes."""

    def detects(self, text: str, value: object) -> bool:
        return isinstance(value, dict) and {"space", "choices"} <= value.keys()

    def read(self, source: Source) -> Architecture:
        value, space = parse_json(source.text), source.space
        if space is None:
            return Architecture.from_dict(value)
        choices = (
            value.get("choices")
            if isinstance(value, Mapping) and value.get("space") == space.name
            else None
        )
        if isinstance(choices, Mapping):
            return space.architecture(choices)  # from_dict knows registered spaces only
        architecture = Architecture.from_dict(value)
        if architecture.space != space.name:
            raise InvalidArchitecture(
                f"an architecture of {architecture.space} was given for {space.name}"
            )
        return architecture

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        return architecture.to_json()
