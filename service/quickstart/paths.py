"""The files of a quickstart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NETWORKS = ("found", "random")
"""The network of the search, and a random one under the same constraint."""


@dataclass(frozen=True)
class Paths:
    """Files of a quickstart, all below one folder.

    Args:
        folder: The folder.
    """

    folder: Path

    @property
    def table(self) -> Path:
        """Lookup table of this processor."""
        return self.folder / "tables" / "quickstart.json"

    @property
    def supernet(self) -> Path:
        """Run of the supernet."""
        return self.folder / "supernet"

    @property
    def evaluations(self) -> Path:
        """Evaluations of the sampled sub-networks."""
        return self.folder / "evaluations.jsonl"

    @property
    def proxies(self) -> Path:
        """Proxies of untrained networks."""
        return self.folder / "proxies.jsonl"

    @property
    def predictor(self) -> Path:
        """The predictor."""
        return self.folder / "predictors" / "quickstart.safetensors"

    @property
    def report(self) -> Path:
        """The evidence of the predictor: votes of its columns, and how far they agree."""
        return self.folder / "predictor-report.json"

    @property
    def service(self) -> Path:
        """Data folder of the service."""
        return self.folder / "service"

    def result(self, network: str) -> Path:
        """Search result that has a network."""
        return self.folder / f"{network}.json"

    def evaluation(self, network: str) -> Path:
        """Evaluation of a network in the supernet."""
        return self.folder / f"{network}-supernet.jsonl"

    def architecture(self, network: str) -> Path:
        """Architecture of a network as one line of JSON."""
        return self.folder / f"{network}-architecture.json"

    def retrained(self, network: str) -> Path:
        """Run of a network that is trained from scratch."""
        return self.folder / f"{network}-network"

    def onnx(self, network: str) -> Path:
        """ONNX model of a network."""
        return self.folder / f"{network}.onnx"

    @property
    def measured(self) -> Path:
        """Measured latencies of the delivered networks."""
        return self.folder / "measured.json"
