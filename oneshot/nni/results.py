"""Results of a tuner: its progress, the best architectures so far and their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidOption, NoMoreTrials
from oneshot.nni.tuner_search import TunerSearch
from spaces import formats
from spaces.architecture import Architecture
from spaces.choice_space import ChoiceSpace, Codes
from spaces.files import write_text


class TunerResults:
    """What a tuner's search has found so far.

    Subclasses may override `export_results`.

    Args:
        search: Search of the tuner.
        folder: Folder of the best architectures; None to write none.
        keep: Number of architectures to write.
        export_format: Format of the files, from `spaces.formats.available()`.
    """

    def __init__(
        self, search: TunerSearch, folder: str | Path | None, keep: int, export_format: str
    ):
        self.folder = None if folder is None else Path(folder)
        self.keep = keep
        self.export_format = export_format
        self._search = search

    @property
    def finished(self) -> bool:
        """Whether the strategy proposes no more architectures."""
        search = self._search.trials.search
        return search is not None and search.finished

    @property
    def listed(self) -> ChoiceSpace:
        """Choices of the search-space file.

        Raises:
            NoMoreTrials: There is no search space yet.
        """
        return self._search.listed_space.listed

    @property
    def epoch(self) -> int:
        """Number of batches whose trials have ended."""
        search = self._search.trials.search
        return 0 if search is None else search.epoch

    @property
    def known(self) -> Codes:
        """Codes of the best architectures so far in the tuner's space, best first.

        Raises:
            NoMoreTrials: There is no search space yet.
        """
        return self._search.trials.started().known

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores of the best architectures so far; greater is better.

        Raises:
            NoMoreTrials: There is no search space yet.
        """
        return self._search.trials.started().scores

    @property
    def best(self) -> Architecture:
        """Best architecture so far, in the tuner's space.

        Raises:
            NoMoreTrials: The first batch has not ended yet.
        """
        if not self._search.started or not len(self.known):
            raise NoMoreTrials("no batch of trials has ended yet")
        return self._search.listed_space.space.decode(self.known[:1])[0]

    def export_results(self, result: Sequence[dict[str, Any]] | None = None) -> list[Path]:
        """Write architectures to the folder and return the files.

        It is called with the best architectures so far after every batch.

        Args:
            result: Samples of the architectures; None for the best ones so far.

        Raises:
            InvalidOption: The tuner has no folder.
            NoMoreTrials: There is no search space yet.
        """
        if self.folder is None:
            raise InvalidOption("folder: None writes no architectures; give a folder")

        paths = []
        samples = self._best_samples() if result is None else result
        for rank, sample in enumerate(samples):
            architecture = self._search.listed_space.architecture(sample)
            path = self.folder / f"{self.epoch:03d}_{rank:03d}.json"
            text = formats.write(architecture, self.export_format, self.listed)
            # Some formats end with a newline, others do not.
            write_text(path, text.rstrip("\n") + "\n")
            paths.append(path)

        return paths

    def _export_best(self) -> None:
        if self.folder is not None and len(self.known):
            self.export_results(self._best_samples())

    def _best_samples(self) -> list[dict[str, Any]]:
        return self._search.samples(self.known[: self.keep])
