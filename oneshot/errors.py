"""Errors of searches and trainings."""

from __future__ import annotations

from spaces.errors import PathfitError


class InvalidConstraint(PathfitError):
    """A constraint that cannot be read."""


class InvalidObjective(PathfitError):
    """An objective that cannot be read."""


class InvalidCharge(PathfitError):
    """A charge that cannot be read."""


class Infeasible(PathfitError):
    """A constraint that no network of the space meets.

    Args:
        message: Sentence with the requested and the least possible value.
        metric: Metric of the constraint.
        maximum: Greatest value that the constraint allows, in the metric's unit.
        least: Least value that a network of the space has, in the metric's unit.
    """

    def __init__(self, message: str, metric: str, maximum: float, least: float):
        self.metric = metric
        self.maximum = maximum
        self.least = least
        super().__init__(message)


class InvalidOption(PathfitError):
    """An option of a strategy or a training whose name or value is not accepted."""


class InvalidRun(PathfitError):
    """A folder without the run that a command needs, or with a run of other settings."""


class InvalidGuide(PathfitError):
    """A guide that cannot be found, is one for another space, or cannot score an architecture."""


class BrokenStrategy(PathfitError):
    """A strategy that proposed architectures that a search must not evaluate."""


class NoMoreTrials(PathfitError):
    """A tuner has no trial: all proposals are being evaluated, or the search has finished."""
