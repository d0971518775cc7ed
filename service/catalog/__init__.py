"""The catalogue of spaces, tables, evaluations and predictors."""
