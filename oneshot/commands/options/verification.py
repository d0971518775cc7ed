"""The options by which a search measures its best networks, and what they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oneshot.commands.options.base import POSITIVE
from spaces.console.options import with_options

if TYPE_CHECKING:
    from oneshot.search.result import SearchResult
    from spaces.space import SearchSpace

# A median and quartiles of fewer rounds mean little.
_LEAST_ROUNDS = 3

verification_options = with_options(
    click.option(
        "--verify",
        "verified",
        type=POSITIVE,
        default=None,
        help="Number of best networks to measure on this machine; one that breaks the limit of the"
        " latency is replaced by the next, and the measured latencies order them.",
    ),
    click.option(
        "--table",
        "table_name",
        default=None,
        help="Table of this machine with the backend and the conditions of --verify.  [default:"
        " that of the first limit of a latency]",
    ),
    click.option(
        "--verify-rounds",
        "verification_rounds",
        type=click.IntRange(min=_LEAST_ROUNDS),
        default=20,
        show_default=True,
        help="Rounds of --verify; each times every network.",
    ),
)
"""Decorator that adds the options to a command."""


class SearchVerification:
    """The verification that a search's options request.

    It is made before the search, so that a table of another machine, or measurements of another
    search, are an error at once. Measurements are stored next to the result.

    Args:
        space: Space of the search.
        constraints: Texts of `--constraint`.
        count: Number of networks to verify.
        table_name: Name or path of the table. None: that of the first limit of a latency.
        rounds: Number of rounds.
        seed: Seed of the orders.
        output: File of the result.
        resume: Whether the measurements of an interrupted search are used.

    Raises:
        InvalidOption: No table has the conditions, or it is of another space.
        InvalidTable: The table was not measured on this machine.
        InvalidRun: The measurements to resume are of another table.
    """

    def __init__(
        self,
        space: SearchSpace,
        constraints: tuple[str, ...],
        count: int,
        table_name: str | None,
        rounds: int,
        seed: int,
        output: Path,
        resume: bool,
    ):
        from oneshot.search.constraint import Limit
        from oneshot.search.measuring import LocalDevice, StoredMeasurements, table_to_verify
        from tables.devices import load_device
        from tables.store import load

        table, self.limit_ms = table_to_verify(
            space,
            [Limit.parse(text) for text in constraints],
            lambda name: load_device(name, space),
            None if table_name is None else load(table_name),
        )
        self.count = count
        self.device = LocalDevice.of_table(table, rounds, seed)
        path = output.with_name(f"{output.name}.measured.json")
        self.measurements = StoredMeasurements(path, table, self._measure, resume)

    def verify(self, result: SearchResult) -> SearchResult:
        """Measure the best networks of a result; Ctrl-C ends the process with exit code 130."""
        from oneshot.search.verification import verify

        try:
            verification = verify(
                result.codes, self.count, self.device.table, self.limit_ms, self.measurements
            )
        except KeyboardInterrupt as interrupt:
            click.echo(
                f"stopped after {len(self.measurements)} measured networks; resume with --resume",
                err=True,
            )
            raise SystemExit(130) from interrupt
        return replace(result, verification=verification)

    def _measure(self, codes: Any) -> Any:
        from spaces.console.progress import Bar

        with Bar(f"measuring {len(codes)} networks on {self.device.device.processor}") as bar:
            return self.device.measure(codes, bar.update)


def echo_verification(result: SearchResult, show: Callable[[str], None] = click.echo) -> None:
    """Print the predicted latencies of verified networks next to the measured ones."""
    verification = result.verification
    if verification is None:
        return

    limit = "" if verification.limit_ms is None else f", limit {verification.limit_ms:g} ms"
    show(f"measured under the conditions of {verification.table}{limit}:")
    rows = [(network, "") for network in verification.networks]
    rows += [(network, "  breaks the limit") for network in verification.excluded]
    for network, remark in rows:
        error = network.predicted_ms / network.measured_ms - 1
        show(
            f"  rank {network.rank + 1}: score {result.scores[network.rank]:.4g}, predicted"
            f" {network.predicted_ms:.4g} ms, measured {network.latency_text}"
            f" ({error:+.1%}){remark}"
        )
    if verification.note:
        show(verification.note)
