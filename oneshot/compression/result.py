"""The result of a compression: original and compressed network next to each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tables.metrics import Metric


@dataclass(frozen=True)
class NetworkRecord:
    """Size, latency and test of one network.

    Args:
        macs: Multiply-accumulates for one image.
        params: Learned parameters.
        file_bytes: Bytes of its ONNX file.
        estimate_ms: Estimated latency; None without a latency limit.
        measured_ms: Measured latency, in the machine's state at the cost model's measurement; None
            without a latency limit.
        test: Metrics on the test images.
        input_shape: Shape (channels, height, width) of its images.
    """

    macs: int
    params: int
    file_bytes: int
    estimate_ms: float | None
    measured_ms: float | None
    test: dict[str, Any]
    input_shape: tuple[int, ...]


@dataclass(frozen=True)
class CompressionResult:
    """A compressed network and its original.

    Args:
        original: The original network.
        compressed: The compressed one.
        architecture: JSON object of the compressed network's architecture.
        constraints: JSON objects of the limits.
        sigma_ms: Deviation of the latency's estimate; None without a latency limit.
        mape: Cross-validated relative error of the latency's estimate; None likewise.
        measured: Number of networks that were measured.
        scored: Number of networks that were scored.
        kendall: Kendall's rank correlation of predicted and actual scores of searched networks.
        seconds: Seconds of each step of this run; steps of an earlier run are missing.
        report: JSON object of the parts of the network that could be cut.
    """

    original: NetworkRecord
    compressed: NetworkRecord
    architecture: dict[str, Any]
    constraints: list[dict[str, Any]]
    sigma_ms: float | None
    mape: float | None
    measured: int
    scored: int
    kendall: float
    seconds: dict[str, float]
    report: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    def table(self, metrics: Mapping[str, Metric]) -> str:
        """Return the table of both networks as text.

        Args:
            metrics: Name -> metric of the task; those that the test has are rows.
        """
        rows = [("", "original", "compressed")]
        if self.compressed.measured_ms is not None:
            rows.append(self._row("latency, promised (ms)", "estimate_ms", "{:.3f}"))
            rows.append(self._row("latency, measured (ms)", "measured_ms", "{:.3f}"))

        for name, metric in metrics.items():
            # A test has only the metrics of its conditions.
            if name in self.compressed.test:
                values = [metric.text(net.test[name]) for net in (self.original, self.compressed)]
                unit = "" if metric.unit == "percent" else f" ({metric.unit})"
                rows.append((f"test {metric.title_of(name)}{unit}", values[0], values[1]))

        if self.original.input_shape != self.compressed.input_shape:
            sides = [str(net.input_shape[-1]) for net in (self.original, self.compressed)]
            rows.append(("side of images (pixels)", sides[0], sides[1]))
        rows.append(self._row("MACs", "macs", "{:,}"))
        rows.append(self._row("parameters", "params", "{:,}"))
        rows.append(self._row("ONNX file (bytes)", "file_bytes", "{:,}"))

        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        return "\n".join(
            f"{first:<{widths[0]}}  {second:>{widths[1]}}  {third:>{widths[2]}}".rstrip()
            for first, second, third in rows
        )

    def _row(self, title: str, field: str, form: str) -> tuple[str, str, str]:
        values = (getattr(self.original, field), getattr(self.compressed, field))
        first, second = ("-" if value is None else form.format(value) for value in values)
        return title, first, second
