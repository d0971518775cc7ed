"""Errors of predictors."""

from __future__ import annotations

from spaces.errors import InvalidFile, PathfitError


class NotFitted(PathfitError):
    """A predictor was used before it was fitted."""


class TooFewArchitectures(PathfitError):
    """There are fewer architectures than a fit or an evaluation needs."""


class InsufficientMemory(PathfitError):
    """A fit needs more memory than is available; the message names both and the alternatives."""


class InvalidValues(PathfitError, ValueError):
    """Values or predictions are unusable; the message names the faulty one."""


class InvalidPredictor(InvalidFile):
    """A file does not contain a predictor; the message names the path and the fault."""


class NotRelaxable(PathfitError):
    """A predictor or a space has no differentiable score; the message names those that have one."""


class NotTransferable(PathfitError):
    """A predictor's weights cannot be transferred; the message names those that can."""


class MissingAuxiliary(PathfitError):
    """Auxiliary columns that a predictor was fitted on are missing; the message names them."""


class InvalidJournal(InvalidFile):
    """A file is not a journal of trials; the message names the path and the line."""
