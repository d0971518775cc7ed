"""Pipelines as jobs: names in place of paths, stages as steps, checkpoints, files."""
