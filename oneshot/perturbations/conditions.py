"""Conditions: the perturbations under which a network is trained or evaluated, with weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from oneshot.errors import InvalidOption
from oneshot.perturbations.registry import CLEAN, PERTURBATIONS

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.perturbations.perturbation import Perturbation
    from tables.metrics import Metric


@dataclass(frozen=True)
class Condition:
    """One perturbation and its weight.

    Args:
        text: Perturbation with its options, such as `pgd(epsilon=0.031)`.
        name: Name of the perturbation.
        weight: Factor of its loss and its score.
        perturbation: Perturbation.
    """

    text: str
    name: str
    weight: float
    perturbation: Perturbation

    def metric(self, name: str) -> str:
        """Return the name of a metric under this condition, such as `top1_pgd`."""
        return name if self.name == CLEAN else f"{name}_{self.name}"


@dataclass(frozen=True)
class Conditions:
    """Conditions whose losses and scores are added up.

    Args:
        items: The conditions, of different perturbations.

    Example:
        >>> conditions = Conditions.parse(["clean=0.5"])
        >>> [(condition.name, condition.weight) for condition in conditions]
        [('clean', 0.5)]
    """

    items: tuple[Condition, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Conditions:
        """Read conditions as users write them, such as `clean=0.5`.

        Args:
            texts: Perturbations with their options, `=` and their weights.

        Raises:
            UnknownName: There is no such perturbation.
            InvalidOption: A text cannot be read, or a perturbation is named twice.
        """
        items: list[Condition] = []
        for text in texts:
            call, separator, number = text.rpartition("=")
            try:
                weight = float(number)
            except ValueError:
                weight = math.nan
            if not separator or not 0 < weight < math.inf:
                raise InvalidOption(
                    f"under {text!r}: write NAME=WEIGHT with a weight above 0, such as clean=0.5"
                )

            name, _ = PERTURBATIONS.parse(call.strip())
            if name in [item.name for item in items]:
                raise InvalidOption(f"under {text!r}: {name} is named twice")
            items.append(Condition(call.strip(), name, weight, PERTURBATIONS.make(call.strip())))
        return cls(tuple(items))

    def for_data(self, data: ImageData) -> Conditions:
        """Return the conditions for the inputs of a data set.

        Args:
            data: Data set of the training or the evaluation.

        Raises:
            InvalidOption: A perturbation cannot change such inputs.
        """
        return Conditions(
            tuple(
                replace(item, perturbation=item.perturbation.for_data(data)) for item in self.items
            )
        )

    def __iter__(self) -> Iterator[Condition]:
        return iter(self.items)

    def texts(self) -> list[str]:
        """Return the texts that `parse` reads."""
        return [f"{item.text}={item.weight:g}" for item in self.items]

    def evaluated(self) -> list[Condition]:
        """Return the conditions of an evaluation, always with the clean one.

        Where it is not named its weight is 0: its metrics are recorded, but not scored.
        """
        if any(item.name == CLEAN for item in self.items):
            return list(self.items)
        return [Condition(CLEAN, CLEAN, 0.0, PERTURBATIONS.make(CLEAN)), *self.items]


def conditional_metrics(
    metrics: Mapping[str, Metric], conditions: Iterable[Condition]
) -> dict[str, Metric]:
    """Return the metrics of a task and those under conditions, by name.

    Args:
        metrics: Name -> metric of the task.
        conditions: The conditions.
    """
    named = {}
    for base, metric in metrics.items():
        named[base] = metric
        for condition in conditions:
            # The title is that of the metric without a perturbation.
            named.setdefault(condition.metric(base), replace(metric, title=""))
    return named


def texts_without_folders(texts: Iterable[str]) -> list[str]:
    """Return conditions with the names of folders in place of their paths, for publication.

    Args:
        texts: Texts that `Conditions.parse` reads, also of perturbations that are not registered.

    Example:
        >>> texts_without_folders(["clean=0.5", "pgd(steps=9, source='/home/me/net')=0.5"])
        ['clean=0.5', "pgd(steps=9, source='net')=0.5"]
    """
    published = []
    for text in texts:
        call, _, weight = text.rpartition("=")
        name, options = PERTURBATIONS.parse(call)
        if "source" in options:
            options["source"] = Path(options["source"]).name
            values = ", ".join(f"{key}={value!r}" for key, value in options.items())
            text = f"{name}({values})={weight}"
        published.append(text)
    return published


def generator_of(*key: int) -> torch.Generator:
    """Return a generator on the processor that depends on the numbers of a key alone."""
    seed = np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0]
    # torch's seeds are signed: 63 bits.
    return torch.Generator().manual_seed(int(seed >> np.uint64(1)))
