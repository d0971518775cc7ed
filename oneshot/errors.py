"""Errors of searches and trainings."""

from __future__ import annotations

from spaces.errors import PathfitError


class InvalidConstraint(PathfitError):
    """A constraint that cannot be read."""


class InvalidObjective(PathfitError):
    """An objective that cannot be read."""


class Infeasible(PathfitError):
    """A constraint that no network of the space meets.

    Args:
        message: what is possible and what was asked for.
        metric: of the constraint.
        maximum: what was asked for.
        least: what is possible.
    """

    def __init__(self, message: str, metric: str, maximum: float, least: float):
        self.metric, self.maximum, self.least = metric, maximum, least
        super().__init__(message)


class InvalidOption(PathfitError):
    """An option of a strategy or a training whose name or value is not accepted."""


class InvalidRun(PathfitError):
    """A run's folder that lacks what a command needs, or holds a run of other settings."""


class InvalidGuide(PathfitError):
    """A guide that cannot be found, is one for another space, or cannot score an architecture."""


class BrokenStrategy(PathfitError):
    """A strategy that asked for what a search must not evaluate."""


class NoMoreTrials(PathfitError):
    """A tuner was asked for a trial while all that it wants to know is being evaluated, or the
    search is over.
    """
