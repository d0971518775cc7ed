"""Errors of predictors."""

from __future__ import annotations

from spaces.errors import InvalidFile, PathfitError


class NotFitted(PathfitError):
    """A predictor was asked before it was fitted."""


class TooFewArchitectures(PathfitError):
    """Fewer architectures than a fit or an evaluation needs."""


class InvalidValues(PathfitError, ValueError):
    """Values or predictions that nothing can be learned or measured from; what is at fault is
    named.
    """


class InvalidPredictor(InvalidFile):
    """A file that does not hold a predictor; path and fault are named."""


class NotRelaxable(PathfitError):
    """A predictor or a space whose score has no gradient to probabilities; what has one is
    named.
    """


class NotTransferable(PathfitError):
    """A predictor that others cannot begin with; what can is named."""


class MissingAuxiliary(PathfitError):
    """A predictor was fitted on auxiliary columns that nothing provides now; they are named."""


class InvalidJournal(InvalidFile):
    """A file that is no journal of trials; path and line are named."""
