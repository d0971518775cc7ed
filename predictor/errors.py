"""Errors of predictors."""

from __future__ import annotations

from spaces.errors import PathfitError


class NotFitted(PathfitError):
    """A predictor was asked before it was fitted."""


class TooFewArchitectures(PathfitError):
    """Fewer architectures than a fit or an evaluation needs."""


class InvalidPredictor(PathfitError):
    """A file that does not hold a predictor; path and fault are named."""
