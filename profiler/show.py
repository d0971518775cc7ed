"""What the profiler shows on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from spaces.registry import get
from tables.lookup_table import LookupTable


def print_table(table: LookupTable) -> None:
    """Print a lookup table: identity, conditions, blocks by cost, and what the correction found."""
    console = Console()
    console.print(f"[bold]{table.name}[/bold]  {table.space} on {table.device['processor']}")
    console.print("  ".join(f"{key}={value}" for key, value in {**table.conditions, **table.versions}.items()))
    rows = Table("block", "ms", "IQR", "samples", "MMACs", "params")
    for key, cost in sorted(table.blocks.items(), key=lambda item: -item[1].latency_ms):
        times = f"{cost.latency_ms:.4f}", f"{cost.latency_iqr_ms:.4f}"
        rows.add_row(key, *times, str(cost.samples), f"{cost.macs / 1e6:.2f}", str(cost.params))
    console.print(rows)
    model = table.cost_model(get(table.space))
    least, greatest = model.bounds()
    console.print(f"networks take {least.value:.4g} to {greatest.value:.4g} ms")
    if model.correction is not None:
        found = model.correction
        console.print(
            f"{found.count} whole networks ({found.outliers} disturbed ones left out): "
            f"sigma {found.sigma:.3g} ms, of the block sum with an intercept {found.naive_sigma:.3g} ms"
        )
