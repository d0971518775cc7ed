"""ShortTrainingSettings: how long and how candidates are trained for a score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from oneshot.errors import InvalidOption

if TYPE_CHECKING:
    from oneshot.training.recipe import Recipe

_MOST_RUNGS = 10


@dataclass(frozen=True)
class ShortTrainingSettings:
    """Lengths and recipe of short trainings, with successive halving.

    All candidates are trained for the first rung. The best continue with the second one, which is
    longer by the factor by which they are fewer, and so on (Jamieson and Talwalkar, AISTATS 2016,
    arXiv 1502.07943). In each rung the learning rate falls to 0 along a cosine and rises again in
    the next one (Loshchilov and Hutter, ICLR 2017, arXiv 1608.03983), so that every rung ends with
    weights that can be compared.

    Args:
        steps: Number of updates of the first rung.
        rungs: Number of rungs; 1 trains all candidates equally long.
        factor: Factor above 1 by which the candidates become fewer and the rungs longer.
        batch_size: Images per update.
        learning_rate: Largest learning rate of each rung.
        weight_decay: Decay of the weights.
        clip: Largest norm of an update's gradient.
        images: Number of validation images that score a candidate, the same for all.
        seed: Seed of the initial weights and of the order of the images.

    Raises:
        InvalidOption: A value is out of its range.

    Example:
        >>> settings = ShortTrainingSettings(steps=100, rungs=3)
        >>> [settings.steps_of(rung) for rung in range(3)], settings.num_continuing(5)
        ([100, 200, 400], 3)
    """

    steps: int = 200
    rungs: int = 3
    factor: float = 2.0
    batch_size: int = 64
    learning_rate: float = 0.05
    weight_decay: float = 4e-5
    clip: float = 1.0
    images: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "rungs", "batch_size", "images"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InvalidOption(f"training {name} must be a number from 1 on, not {value!r}")
        for name in ("learning_rate", "clip"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise InvalidOption(f"training {name} must be positive, not {value!r}")
        for name, least in (("weight_decay", 0), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not least <= value < math.inf:
                raise InvalidOption(f"training {name} must be at least {least}, not {value!r}")
        if not isinstance(self.factor, int | float) or not 1 < self.factor < math.inf:
            raise InvalidOption(f"training factor must be above 1, not {self.factor!r}")
        if self.rungs > _MOST_RUNGS:
            raise InvalidOption(f"training rungs must be at most {_MOST_RUNGS}, not {self.rungs}")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> ShortTrainingSettings:
        """Make settings from the options of a command.

        Args:
            options: Name of a setting -> value.

        Raises:
            InvalidOption: A name is no setting, or a value is out of its range.
        """
        names = list(cls.__dataclass_fields__)
        unknown = [name for name in options if name not in names]
        if unknown:
            raise InvalidOption(
                f"training {unknown[0]!r}: short trainings have no such setting; take one of"
                f" {', '.join(names)}"
            )
        return cls(**options)

    def steps_of(self, rung: int) -> int:
        """Return the number of updates of a rung, from 0."""
        return round(self.steps * self.factor**rung)

    def total_steps(self, rung: int) -> int:
        """Return the number of updates that a candidate has had after a rung."""
        return sum(self.steps_of(earlier) for earlier in range(rung + 1))

    def num_continuing(self, count: int) -> int:
        """Return how many of `count` candidates of a rung continue with the next one."""
        return max(1, math.ceil(count / self.factor))

    def recipe(self, rung: int) -> Recipe:
        """Return the recipe of a rung."""
        from oneshot.training.recipe import Recipe

        steps = self.steps_of(rung)
        return Recipe(
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            label_smoothing=0.0,
            steps=steps,
            schedule="cosine",
            warmup=steps // 20,
            clip=self.clip,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)
