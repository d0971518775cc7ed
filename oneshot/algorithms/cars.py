"""CARS: train weights on a population that evolves along the Pareto front (CVPR 2020).

Yang et al. (arXiv 1909.04977; huawei-noah/vega, cars).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.gradient import weights_sgd
from oneshot.algorithms.pareto_survival import select
from oneshot.algorithms.preset import Preset
from oneshot.algorithms.registry import register_algorithm
from oneshot.algorithms.sampled import SampledAlgorithm, SampledMutator, final_batches, rewards
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.mutator import Masks
from oneshot.training.recipe import Recipe
from tables.cost.model import counting_model

if TYPE_CHECKING:
    from oneshot.training.engine import Engine

RECIPE = Recipe(
    epochs=500,
    batch_size=128,
    learning_rate=0.025,
    momentum=0.9,
    weight_decay=3e-4,
    label_smoothing=0.0,
    schedule="cosine",
    clip=5.0,
)
"""Recipe of the release's search on CIFAR-10 (huawei-noah/vega, its page on CARS)."""

HELD_OUT = 0.5
"""Fraction of the training images on which architectures are compared."""

# Number of attempts to fill the children with new architectures.
_TRIES = 20


@dataclass(frozen=True)
class CarsOptions:
    """Options of CARS.

    The defaults are those of the release (huawei-noah/vega, its page on CARS), but for the
    probabilities of crossover and mutation, which are our own.

    Args:
        population: Number of architectures of the population.
        warmup: Number of first epochs in which uniformly sampled paths are trained.
        every: Number of epochs between two generations.
        crossover: Probability that a child has two parents.
        mutation: Probability that a child's choice is replaced by a random candidate.
        images: Number of held-out images on which architectures are compared.
        least_learning_rate: Learning rate of the weights at the end of its schedule.
    """

    read_once: ClassVar[frozenset[str]] = frozenset({"population", "least_learning_rate"})

    population: int = 128
    warmup: int = 50
    every: int = 10
    crossover: float = 0.5
    mutation: float = 0.1
    images: int = 3500
    least_learning_rate: float = 0.001

    def __post_init__(self) -> None:
        for name, least in (("population", 4), ("warmup", 0), ("every", 1), ("images", 1)):
            if getattr(self, name) < least:
                raise InvalidOption(f"{name} must be at least {least}, not {getattr(self, name)}")

        for name in ("crossover", "mutation"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidOption(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        if self.least_learning_rate < 0:
            raise InvalidOption(
                f"least_learning_rate must be at least 0, not {self.least_learning_rate}"
            )


class PopulationMutator(SampledMutator):
    """Runs members of a population, or uniformly sampled paths before there is one."""

    population: NDArray[np.int64] | None = None

    def sample_search(self) -> Masks:
        """Return the path that is trained next."""
        import torch

        counts = [len(mutable.choice.candidates) for mutable in self.deciding]
        if self.population is None:
            codes = [int(torch.randint(n, (), generator=self.generator)) for n in counts]
        else:
            row = int(torch.randint(len(self.population), (), generator=self.generator))
            codes = self.population[row].tolist()
        return {
            mutable.choice.key: mutable.mask_of(code)
            for mutable, code in zip(self.deciding, codes, strict=True)
        }


@register_algorithm("cars")
class Cars(SampledAlgorithm[PopulationMutator]):
    """Trains shared weights on a population, which evolves by reward and cost as they learn.

    Survivors are selected by NSGA-III of reward and cost, and of the reward's growth and cost,
    which protects large networks that learn slowly. The product is the population's front; the
    returned architecture is its best one on held-out images.

    Args:
        setting: Model, images and costs. The cost is that of `--target`, or MACs.
        options: Options of CARS.

    Raises:
        InvalidOption: There is no cost, because the supernet's choices are not those of its space.
    """

    presets: ClassVar[dict[str, Preset]] = {"default": Preset(CarsOptions(), RECIPE, HELD_OUT)}
    options: CarsOptions

    def __init__(self, setting: Setting, options: CarsOptions):
        super().__init__(setting, PopulationMutator(setting.model, setting.seed))
        self.options = options
        if setting.cost is None and setting.choice_space is None:
            raise InvalidOption(
                "cars trades accuracy for a cost, which is unknown here: search a space whose"
                " choices its supernet has, such as nasbench201, and not darts"
            )
        self.rewards: NDArray[np.float64] | None = None

    @property
    def population(self) -> NDArray[np.int64]:
        """Codes of the population [n, keys]; empty before the first generation."""
        population = self.drawing.population
        empty = np.zeros((0, len(self.drawing.deciding)), dtype=np.int64)
        return empty if population is None else population

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        """Return the weights' SGD, for a training of `steps` updates."""
        super().optimizers(steps)
        return [weights_sgd(self, self.options.least_learning_rate, steps)]

    def step(self, batches: Sequence[Batch], step: int, engine: Engine) -> None:
        """Update the weights on a member for each batch; evolve after an epoch that is due."""
        self.note_rank(engine)
        for inputs, targets in batches:
            self.drawing.reset()
            with engine.autocast():
                loss = self.loss(inputs, targets, step, engine)
            engine.backward(loss / len(batches))
        engine.update()

        epochs, updates = divmod(step + 1, self.setting.steps_per_epoch)
        since = epochs - self.options.warmup
        is_epoch_end = updates == 0
        if is_epoch_end and since >= 0 and since % self.options.every == 0:
            self.evolve(step, engine)
        if step + 1 == self.steps:
            self.choose(engine)

    def costs(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the costs [n] of architectures, whose codes are in the order of the keys."""
        cost = self.setting.cost
        if cost is None:
            space = self.setting.choice_space
            assert space is not None
            cost = counting_model(space, "macs")
        keys = list(self.drawing.groups)
        columns = [keys.index(choice.key) for choice in cost.space.choices]
        return np.asarray(cost.estimate(codes[:, columns]), dtype=np.float64)

    def evolve(self, step: int, engine: Engine) -> None:
        """Replace the population by the survivors of itself and its children.

        Args:
            step: Number of the update, which seeds the generation.
            engine: Engine of the training.
        """
        rng = np.random.default_rng([self.setting.seed, step, 11])
        numbers = final_batches(self, self.options.images)
        parents = self.population
        rows, born_of = self._children(parents, rng)
        codes = np.concatenate([parents, rows])
        scores = rewards(self, codes.tolist(), numbers, engine).numpy()

        # The growth of a child is that over its parent's reward a generation ago.
        before = np.zeros(len(codes)) if self.rewards is None else self._before(born_of)
        survivors = select(scores, scores - before, self.costs(codes), self.options.population, rng)
        self.drawing.population = codes[survivors]
        self.rewards = scores[survivors]

    def _before(self, born_of: NDArray[np.int64]) -> NDArray[np.float64]:
        assert self.rewards is not None
        return np.concatenate([self.rewards, self.rewards[born_of]])

    def _children(
        self, parents: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return new architectures [n, keys] and the row of each one's first parent [n]."""
        options = self.options
        counts = [len(mutable.choice.candidates) for mutable in self.drawing.deciding]
        size = (options.population, len(counts))
        parent_rows = {tuple(row) for row in parents.tolist()}
        children: dict[tuple[int, ...], int] = {}
        for _ in range(_TRIES):
            candidates = rng.integers(counts, size=size)
            # Without parents the candidates are random ones, born of the row 0.
            first = np.zeros(options.population, dtype=np.int64)
            if len(parents):
                first, second = rng.integers(len(parents), size=(2, options.population))
                crossed = rng.random(options.population) < options.crossover
                from_second = crossed[:, None] & (rng.random(size) < 0.5)
                mutated = rng.random(size) < options.mutation
                inherited = np.where(from_second, parents[second], parents[first])
                candidates = np.where(mutated, candidates, inherited)

            rows = self.allowed(candidates.tolist())
            first_of = dict(zip(map(tuple, candidates.tolist()), first.tolist(), strict=True))
            for row in rows:
                if row not in parent_rows and len(children) < options.population:
                    children.setdefault(row, first_of[row])

        rows_array = np.array(list(children), dtype=np.int64).reshape(len(children), len(counts))
        return rows_array, np.array(list(children.values()), dtype=np.int64)

    def choose(self, engine: Engine) -> None:
        """Store the best architecture of the population on held-out images as the final one."""
        if not len(self.population):
            self.evolve((self.steps or 1) - 1, engine)
        numbers = final_batches(self, self.options.images)
        self.rewards = rewards(self, self.population.tolist(), numbers, engine).numpy()
        if len(self.population):
            self.drawing.settle(self.population[int(self.rewards.argmax())].tolist())

    def front(self) -> list[dict[str, Any]]:
        """Return the architectures of the population that no other dominates, cheapest first."""
        if self.rewards is None or not len(self.population):
            return []

        costs = self.costs(self.population)
        order = np.lexsort((-self.rewards, costs))
        members = list(self.drawing.groups.items())

        front: list[dict[str, Any]] = []
        for row in order.tolist():
            # Cheaper ones come first, so that only a better reward is not dominated.
            if front and self.rewards[row] <= front[-1]["reward"]:
                continue

            names = {
                key: mutables[0].choice.candidates[code]
                for (key, mutables), code in zip(members, self.population[row], strict=True)
            }
            front.append(
                {
                    "reward": float(self.rewards[row]),
                    "cost": float(costs[row]),
                    "architecture": names,
                }
            )
        return front

    def report(self) -> dict[str, Any]:
        """Return the report of the base, with the population's front."""
        return {**super().report(), "front": self.front()}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the base, the population and its rewards."""
        rewards_list = None if self.rewards is None else self.rewards.tolist()
        return {
            **super().state_dict(),
            "population": self.population.tolist(),
            "rewards": rewards_list,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        super().load_state_dict(state)
        if state["population"]:
            self.drawing.population = np.array(state["population"], dtype=np.int64)
        self.rewards = None if state["rewards"] is None else np.array(state["rewards"])
