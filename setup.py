"""Pathfit's metadata: packages, ranges of what they need, extras, scripts."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "spaces/__init__.py").read_text()).group(1)  # type: ignore[union-attr]

PLOTS = ["matplotlib>=3.9"]
PREDICTOR = ["safetensors>=0.5", "scikit-learn>=1.5", "scipy>=1.13", "torch-geometric>=2.6"]
TABLES = ["pyyaml>=6"]
ONESHOT = [
    *PREDICTOR,
    *PLOTS,
    *TABLES,
    "lightning-fabric>=2.6",
    "pillow>=11",
    "onnx>=1.18",
    "onnxruntime>=1.20",
    "onnxscript>=0.5",
    "pymoo>=0.6.1",
    "ray[train]>=2.50",
    "tensorboard>=2.19",
]
SERVICE = [
    *ONESHOT,
    "alembic>=1.16",
    "apiflask>=3.0",
    "fsspec>=2025.3",
    "gunicorn>=23",
    "plotly>=6.1",
    "prometheus-client>=0.22",
    "pydantic>=2.9",
    "sqlalchemy>=2.0",
]
# onnx for the networks that it reads, nncf for int8.
OPENVINO = ["onnx>=1.18", "openvino>=2026.1", "nncf>=3.1"]
DEV = [
    "hypothesis>=6.100",
    "playwright>=1.50",
    "jsonschema>=4.20",
    "monai>=1.5",
    "mypy>=1.15",
    "pycocotools>=2.0.8",
    "pytest>=8.3",
    "pytest-xdist>=3.6",
    "ruff>=0.12",
    "schemathesis>=4.0",
    "transformers>=5.0",
    "types-jsonschema",
    "types-pyyaml",
    "types-setuptools",
]

DOCS = ["mkdocs-material>=9.5", "mkdocstrings[python]>=0.27"]

setup(
    name="pathfit",
    version=VERSION,
    description=(
        "Hardware-aware neural architecture search: measure a device, find the network that fits it"
    ),
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(
        include=[
            f"{name}{rest}"
            for name in ("spaces", "tables", "profiler", "predictor", "oneshot", "service")
            for rest in ("", ".*")
        ]
    ),
    package_data={
        "spaces": ["py.typed"],
        "tables": ["py.typed", "schema.json", "data/*.json"],
        "profiler": ["py.typed"],
        "predictor": ["py.typed"],
        "oneshot": ["py.typed"],
        "service": [
            "py.typed",
            "quickstart/*.yaml",
            "templates/*.html",
            "static/*.svg",
            "static/css/*.css",
            "static/js/*.js",
        ],
    },
    install_requires=["click>=8.1", "numpy>=2.0", "rich>=13.7", "torch>=2.6"],
    extras_require={
        "plots": PLOTS,
        "tables": TABLES,
        "predictor": PREDICTOR,
        "oneshot": ONESHOT,
        "service": SERVICE,
        "postgresql": ["psycopg[binary]>=3.2"],
        "s3": ["s3fs>=2025.3"],
        "elastic": ["torch-pruning>=1.6"],
        "openvino": OPENVINO,
        # Each in an environment of its own, with the constraints file of its name.
        "executorch": ["executorch>=1.5"],
        "litert": ["ai-edge-litert>=2.3", "ai-edge-quantizer>=0.10", "litert-torch>=0.10"],
        "ncnn": ["ncnn>=1.0", "onnx>=1.18", "pnnx>=20260101"],
        "dali": ["nvidia-dali-cuda130>=2.0; platform_system == 'Linux'"],
        "dev": DEV,
        "docs": DOCS,
    },
    entry_points={"console_scripts": ["pathfit = service.pathfit:main"]},
)
