"""Plans of the tables that `python -m profiler build` builds: one for each set of conditions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.commands.parameters import default_name
from profiler.instruments.allocator import condition

if TYPE_CHECKING:
    from profiler.instruments.devices import Device
    from spaces.space import SearchSpace
    from tables.lookup_table import LookupTable


@dataclass(frozen=True)
class TablePlan:
    """A table to build.

    Args:
        space: Space whose blocks are measured.
        device: Device to measure on.
        runtime: Name of the backend.
        batch: Batch size.
        precision: Precision of the numbers.
        threads: Number of threads.
        lengths: Tokens of the `prompt` and of the `cache`, of networks of text.
        suffix: Suffix of the file's name, which distinguishes it from the command's other tables.
    """

    space: SearchSpace
    device: Device
    runtime: str
    batch: int
    precision: str
    threads: int
    lengths: Mapping[str, int]
    suffix: str

    def backend(self, seed: int) -> Any:
        """Make the backend; raises UnsupportedConditions where it cannot meet the conditions."""
        from profiler.backends.base import Conditions
        from profiler.backends.registry import make_backend

        conditions = Conditions(
            self.device.torch_name, self.batch, self.precision, self.threads, seed
        )
        return make_backend(self.runtime, conditions)

    @property
    def conditions(self) -> dict[str, Any]:
        """The conditions that the table records."""
        return {
            "backend": self.runtime,
            "batch": self.batch,
            "precision": self.precision,
            "threads": self.threads,
            **self.lengths,
            **condition(),
            **affinity(),
        }

    def path(self, output: Path | None) -> Path:
        """Return the table's file: `output` with the suffix. None: one named by the conditions."""
        from tables.store import DEFAULT_FOLDER

        if output is not None:
            return output.with_name(f"{output.stem}{self.suffix}{output.suffix}")

        # The name states the conditions, so that tables of other conditions are not overwritten.
        name = default_name(
            self.space.name,
            self.device.processor,
            self.runtime,
            self.batch,
            self.precision,
            self.threads,
            self.lengths,
        )
        return DEFAULT_FOLDER / f"{name}.json"

    def measure(self, runtime: Any, budget_s: float, seed: int, name: str) -> LookupTable:
        """Build the table with a bar of progress.

        Args:
            runtime: Backend that `backend` made.
            budget_s: Time for the table in seconds.
            seed: Seed of the sampled networks.
            name: Name of the table.
        """
        from profiler.building.builder import Instruments, Settings
        from profiler.building.builder import build as build_table
        from profiler.instruments.energy import find_counter
        from profiler.instruments.gpu_state import reader
        from spaces.console.progress import Bar

        with Bar(f"measuring {self.space.name} on {self.device.processor}") as bar:
            return build_table(
                self.space,
                runtime,
                Settings(budget_s=budget_s, threads=self.threads, seed=seed),
                name=name,
                device=self.device.to_dict(),
                conditions=self.conditions,
                progress=bar.update,
                instruments=Instruments(find_counter(self.device), reader(self.device)),
            )


def make_plans(
    space_name: str,
    resolutions: Sequence[int] | None,
    device: Device,
    backend: str,
    batches: Sequence[int],
    precisions: Sequence[str],
    threads: int,
    lengths: Mapping[str, int | None],
) -> list[TablePlan]:
    """Plan a table for each combination of resolution, batch and precision.

    Args:
        space_name: Name of the space whose blocks are measured.
        resolutions: Input sizes in pixels. None: that of the space.
        device: Device to measure on.
        backend: Name of the backend.
        batches: Batch sizes.
        precisions: Precisions of the numbers.
        threads: Number of threads.
        lengths: Tokens of the `prompt` and of the `cache`. None: those of the longest context, of
            a space whose networks read text.

    Raises:
        InvalidParameter: Lengths are given for a space whose networks read no text, or are longer
            than every context.
    """
    from spaces.registry import get

    sizes: tuple[int | None, ...] = tuple(resolutions or (None,))
    spaces = [get(space_name) if size is None else sized(space_name, size) for size in sizes]

    checked = [_lengths(space, lengths) for space in spaces]
    plans: list[TablePlan] = []
    for (size, space, tokens), batch, precision in itertools.product(
        zip(sizes, spaces, checked, strict=True), batches, precisions
    ):
        # Only the conditions with several values distinguish the files.
        suffix = f"-r{size}" if len(sizes) > 1 else ""
        suffix += f"-b{batch}" if len(batches) > 1 else ""
        suffix += f"-{precision}" if len(precisions) > 1 else ""
        plan = TablePlan(space, device, backend, batch, precision, threads, tokens, suffix)
        plans.append(plan)
    return plans


def _lengths(space: SearchSpace, lengths: Mapping[str, int | None]) -> dict[str, int]:
    """Return the tokens of the prompt and of the cache, checked; empty without text."""
    from spaces.errors import InvalidParameter
    from tables.conditions import LENGTHS

    if not space.phases:
        for name, length in lengths.items():
            if length is not None:
                raise InvalidParameter(
                    f"--{name} {length}: networks of {space.name} read no text; it is for spaces"
                    " such as decoder"
                )
        return {}

    tokens = {name: lengths.get(name) or space.input_shape[0] for name in LENGTHS.values()}
    for phase, name in LENGTHS.items():
        space.at_phase(phase, tokens[name])
    return tokens


def sized(name: str, size: int) -> SearchSpace:
    """Return the space of a name with images of `size` pixels.

    Raises:
        InvalidParameter: The space has a fixed size.
    """
    from spaces.errors import InvalidParameter
    from spaces.registry import get

    try:
        return get(name, input_size=size)
    except InvalidParameter as error:
        # Spaces that search for the resolution have a list of them in place of a size.
        try:
            return get(name, resolutions=(size,))
        except InvalidParameter:
            raise error from None


def affinity() -> dict[str, list[int]]:
    """Return the cores of this process as a table's conditions record them.

    The result is empty where the system does not report them.
    """
    import os

    if not hasattr(os, "sched_getaffinity"):
        return {}
    return {"affinity": sorted(os.sched_getaffinity(0))}
