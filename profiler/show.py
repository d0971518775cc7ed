"""What the profiler shows on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from spaces.registry import get
from tables.lookup_table import LookupTable


def print_table(table: LookupTable, correction: str = "ridge") -> None:
    """Print a lookup table: identity, conditions, blocks by cost, and what a correction found."""
    console = Console()
    console.print(f"[bold]{table.name}[/bold]  {table.space} on {table.device['processor']}")
    console.print("  ".join(f"{key}={value}" for key, value in {**table.conditions, **table.versions}.items()))
    rows = Table("block", "ms", "IQR", "samples", "MMACs", "params", "activations, MiB")
    for key, cost in sorted(table.blocks.items(), key=lambda item: -item[1].latency_ms):
        spread = "-" if cost.latency_iqr_ms is None else f"{cost.latency_iqr_ms:.4f}"
        samples = "-" if cost.samples is None else str(cost.samples)
        memory = "-" if cost.activation_bytes is None else f"{cost.activation_bytes / 2**20:.2f}"
        counts = f"{cost.macs / 1e6:.2f}", str(cost.params)
        rows.add_row(key, f"{cost.latency_ms:.4f}", spread, samples, *counts, memory)
    console.print(rows)
    if table.measurement is not None and table.measurement.blocks == "solved":
        console.print("the runtime joins blocks: their costs are solved from whole networks")
    model = table.cost_model(get(table.space), correction=correction)
    least, greatest = model.bounds()
    exact = "" if model.exact_bounds else ", as far as a search finds"
    console.print(f"networks take {least.value:.4g} to {greatest.value:.4g} ms{exact}")
    if model.correction is not None:
        found = model.correction
        console.print(
            f"{found.count} whole networks ({found.outliers} disturbed ones left out): "
            f"sigma {found.sigma:.3g} ms by the {found.kind} correction (residual {found.residual:.3g} ms), "
            f"of the block sum with an intercept {found.naive_sigma:.3g} ms"
        )
        if found.scores:
            compared = ", ".join(f"{kind} {score:.3g} ms" for kind, score in found.scores.items())
            console.print(f"5-fold residuals: {compared}")
    energies = [sample.energy_mj for sample in table.networks if sample.energy_mj is not None]
    if energies and table.measurement is not None:
        low, high = min(energies), max(energies)
        console.print(f"networks take {low:.4g} to {high:.4g} mJ a run ({table.measurement.energy})")
