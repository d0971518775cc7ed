"""The front of a search as a table in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from oneshot.search.result import SearchResult

MOST = 10
"""Networks that are shown."""

_MILLIONS = ("macs", "params", "memory_bytes")


def front_table(result: SearchResult) -> Table:
    """The front from the best to the cheapest, at most ten networks of it, evenly.

    Args:
        result: of a search.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    ranks = result.front()
    traded = ", ".join(["score", *result.objectives[:-1]]) + f" and {result.objectives[-1]}"
    shown = f"{MOST} of the {len(ranks)}" if len(ranks) > MOST else f"the {len(ranks)}"
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{shown} networks that none beats in {traded}",
        title_justify="left",
        title_style="",
    )
    metrics = [*dict.fromkeys([*result.objectives, *result.costs])]
    for heading in ("score", *map(_heading, metrics)):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("network", no_wrap=True, overflow="ellipsis")
    for rank in _evenly(ranks):
        found = result.candidate(rank)
        score = (
            f"{found.score:.4g} ± {found.deviation:.2g}"
            if found.deviation
            else f"{found.score:.4g}"
        )
        costs = [_written(metric, found.costs[metric]) for metric in metrics]
        table.add_row(score, *costs, Text(" ".join(map(str, found.architecture.choices.values()))))
    return table


def _evenly(ranks: list[int]) -> list[int]:
    if len(ranks) <= MOST:
        return ranks
    return [ranks[round(place * (len(ranks) - 1) / (MOST - 1))] for place in range(MOST)]


def _heading(metric: str) -> str:
    return f"{metric} (M)" if metric.partition("@")[0] in _MILLIONS else metric


def _written(metric: str, value: float) -> str:
    return f"{value / 1e6:.4g}" if metric.partition("@")[0] in _MILLIONS else f"{value:.4g}"
