"""Settings of `found_vs_random.py`."""

from __future__ import annotations

from trial import Setting
from truth_pipeline import PipelineSettings

from oneshot.retraining.short_settings import ShortTrainingSettings

FULL = Setting(
    space=(
        "spos(input_size=32, stem_stride=1, repeats=(3, 3, 4), channels=(64, 128, 256),"
        " head_channels=512, num_classes=10)"
    ),
    validation=10_000,
    ranking=5000,
    supernet={
        "steps": 21_000,
        "batch_size": 256,
        "learning_rate": 0.1,
        "schedule": "cosine",
        "clip": 5.0,
    },
    network={
        "steps": 10_500,
        "batch_size": 256,
        "learning_rate": 0.1,
        "schedule": "cosine",
        "weight_decay": 5e-4,
    },
    evolution={},
    recalibration=40,
    augment=True,
)
"""A search and trainings at the size of published recipes, on a GPU."""

SMOKE = Setting(
    space=(
        "spos(input_size=32, stem_stride=2, repeats=(2, 2), channels=(12, 24), stem_channels=6,"
        " head_channels=64, channel_scales=(0.17, 2), num_classes=10)"
    ),
    validation=10_000,
    ranking=2000,
    supernet={
        "steps": 2000,
        "batch_size": 64,
        "learning_rate": 0.1,
        "schedule": "cosine",
        "clip": 5.0,
    },
    network={
        "steps": 600,
        "batch_size": 64,
        "learning_rate": 0.1,
        "schedule": "cosine",
        "label_smoothing": 0.0,
    },
    evolution={
        "population": 24,
        "generations": 5,
        "parents": 8,
        "crossovers": 12,
        "mutations": 12,
        "mutation_probability": 0.25,
    },
    recalibration=8,
    augment=False,
)
"""A small space and short trainings, for ten minutes of one processor core."""

CELLS = Setting(
    space="nasbench201(channels=4,input_size=16)",
    validation=10_000,
    ranking=5000,
    supernet={},
    network={
        "steps": 1200,
        "batch_size": 64,
        "learning_rate": 0.1,
        "schedule": "cosine",
        "label_smoothing": 0.0,
    },
    evolution={},
    recalibration=8,
    augment=False,
    strategy="exhaustive",
    votes=PipelineSettings(),
    finalists=8,
    brief=ShortTrainingSettings(steps=300, rungs=2, learning_rate=0.1),
)
"""Cells whose accuracies differ widely in a benchmark; proxies vote in place of a supernet."""

BINARY = Setting(
    space="binary-cells(cells=2, channels=16, stem_stride=2)",
    validation=10_000,
    ranking=2000,
    supernet={
        "steps": 1500,
        "batch_size": 64,
        "learning_rate": 0.003,
        "schedule": "cosine",
        "optimizer": "adamw",
        "weight_decay": 0.0,
        "clip": 5.0,
    },
    network={
        "steps": 600,
        "batch_size": 64,
        "learning_rate": 0.003,
        "schedule": "cosine",
        "optimizer": "adamw",
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
    },
    evolution={
        "population": 24,
        "generations": 5,
        "parents": 8,
        "crossovers": 12,
        "mutations": 12,
        "mutation_probability": 0.25,
    },
    recalibration=8,
    augment=False,
    cost="binary_macs",
)
"""Binary cells and their layout, limited by binary operations."""
