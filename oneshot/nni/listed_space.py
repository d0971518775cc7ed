"""The choices of NNI's search-space files, matched with those of a space."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spaces import formats
from spaces.architecture import Architecture
from spaces.choice_space import ChoiceSpace, Codes
from spaces.errors import InvalidArchitecture
from spaces.formats.nni.keys import match_keys


class ListedSpace:
    """Choices of a search-space file, which may have other keys and another order than a space.

    Args:
        search_space: Content of the file, as `ss-gen` writes it.
        space: Space that is searched; None for the choices of the file.

    Raises:
        InvalidFile: The content is not a search space of NNI.
        InvalidArchitecture: Its choices differ from those of the space.
    """

    def __init__(self, search_space: Mapping[str, Any] | str, space: ChoiceSpace | None = None):
        text = search_space if isinstance(search_space, str) else json.dumps(search_space)
        self.listed = ChoiceSpace("nni", formats.read_search_space(text))
        self.space = space or self.listed

        # The file may have keys from NNI's counter and another order.
        columns = match_keys(
            self.space.choices,
            {choice.key: column for column, choice in enumerate(self.listed.choices)},
        )
        self._columns = list(columns.values())
        for choice, column in zip(self.space.choices, self._columns, strict=True):
            listed_choice = self.listed.choices[column]
            if len(listed_choice.candidates) != len(choice.candidates):
                raise InvalidArchitecture(
                    f"{listed_choice.key} has {len(listed_choice.candidates)} candidates;"
                    f" {choice.key} of {self.space.name} has {len(choice.candidates)}"
                )

    def samples(self, codes: Codes) -> list[dict[str, Any]]:
        """Return the samples of codes [n, choices] of the space."""
        listed_codes = np.empty_like(codes)
        listed_codes[:, self._columns] = codes
        return [
            json.loads(formats.write(architecture, "nni-sample", self.listed))
            for architecture in self.listed.decode(listed_codes)
        ]

    def architecture(self, sample: Mapping[str, Any]) -> Architecture:
        """Return the architecture of a sample, by the choices of the file."""
        return formats.read(json.dumps(sample), "nni-sample", self.listed)

    def codes(self, samples: Sequence[Mapping[str, Any]]) -> Codes:
        """Return the codes [n, choices] of samples, in the space.

        Raises:
            InvalidArchitecture: A sample is not of the search space.
        """
        architectures = [self.architecture(sample) for sample in samples]
        return np.asfortranarray(self.listed.encode(architectures)[:, self._columns])
