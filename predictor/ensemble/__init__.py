"""Ensembles of graph encoders as one predictor."""
