"""Proxies of many architectures of a space, measured once for each network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from predictor.errors import InvalidValues
from predictor.proxies.registry import available, measure
from predictor.proxies.subject import Loss
from spaces.architecture import Architecture
from spaces.errors import UnknownName
from spaces.space import Codes, SearchSpace

_COUNTED = ("params", "macs")
"""Proxies that the space counts for every architecture: dead edges make a difference here."""


@dataclass
class Survey:
    """Measures architectures with the same images.

    Args:
        space: Space of the architectures.
        images: Float tensor [b, channels, height, width]; resized for architectures with another
            input size.
        labels: Targets of the loss [b], such as classes.
        num_classes: Number of classes of the head.
        names: Names of the proxies; all by default.
        seed: Seed of the networks' weights and of all randomness of the proxies.
        repeats: Number of random networks of each architecture, with the seeds from `seed` on;
            values are their means.
        loss: Function (outputs, targets) -> mean loss, of proxies of gradients; None:
            cross-entropy.
        inherit: Function that gives a network of an architecture the weights to measure, such as
            those of a trained supernet; None: random ones.

    Raises:
        UnknownName: No proxy has one of the names.
    """

    space: SearchSpace
    images: Tensor
    labels: Any
    num_classes: int
    names: Sequence[str] = field(default_factory=available)
    seed: int = 0
    repeats: int = 1
    loss: Loss | None = None
    inherit: Callable[[nn.Module, Architecture], None] | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in available()]
        if unknown:
            raise UnknownName("proxy", unknown[0], available())

    def run(
        self, codes: Codes, measured: Sequence[tuple[Architecture, Mapping[str, float]]] = ()
    ) -> Iterator[tuple[Architecture, dict[str, float], bool]]:
        """Measure architectures in their order.

        Args:
            codes: Codes of the architectures, checked, int array [n, choices].
            measured: Architectures that were measured before, with their values.

        Yields:
            Architecture, values by name, and whether a network was measured for it. It was not
            where its isomorphism class was measured before.

        Raises:
            InvalidValues: A proxy cannot be computed; the message names the architecture.
        """
        earlier = self.space.encode([architecture for architecture, _ in measured])

        # Measured values hold for an isomorphism class. Counts are computed from the codes in one
        # call.
        by_class: dict[Any, dict[str, float]] = {
            key: {name: values[name] for name in self.names if name not in _COUNTED}
            for key, (_, values) in zip(self._keys(earlier), measured, strict=True)
        }
        counts = {name: getattr(self.space, name)(codes) for name in _COUNTED if name in self.names}
        # In a supernet isomorphic networks have different weights.
        measured_codes = codes if self.inherit else self.space.representatives(codes)
        representatives = self.space.decode(measured_codes)
        for row, (key, architecture) in enumerate(
            zip(self._keys(codes), self.space.decode(codes), strict=True)
        ):
            new = key not in by_class
            if new:
                by_class[key] = self._measure(representatives[row])
            row_counts = {name: float(column[row]) for name, column in counts.items()}
            values = {**by_class[key], **row_counts}
            yield architecture, {name: values[name] for name in self.names}, new

    def _keys(self, codes: Codes) -> list[Any]:
        if not len(codes):
            return []
        keys = codes if self.inherit else self.space.isomorphism_keys(codes)
        return list(map(tuple, keys.tolist()))

    def _measure(self, architecture: Architecture) -> dict[str, float]:
        names = [name for name in self.names if name not in _COUNTED]
        if not names:
            return {}

        images = self._images(architecture)

        # A proxy depends on the initial weights; the mean over several draws scatters less.
        values: list[dict[str, float]] = []
        for seed in range(self.seed, self.seed + self.repeats):
            generator = torch.Generator().manual_seed(seed)
            network = self.space.network(architecture, self.num_classes, generator)
            if self.inherit is not None:
                self.inherit(network, architecture)
            network = network.to(images.device)
            try:
                values.append(measure(network, images, self.labels, names, seed, self.loss))
            except InvalidValues as error:
                raise InvalidValues(f"{architecture.to_json()}: {error}") from error

        return {name: float(np.mean([draw[name] for draw in values])) for name in names}

    def _images(self, architecture: Architecture) -> Tensor:
        size = self.space.input_shape_of(architecture)[1:]
        if tuple(self.images.shape[2:]) == size:
            return self.images
        return nn.functional.interpolate(self.images, size=size, mode="bilinear", antialias=True)
