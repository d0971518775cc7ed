"""`pathfit list`: names for the command line, with their origins and options."""

from __future__ import annotations

import json
from typing import Any

import click

from spaces.console.group import example
from spaces.plugins import REQUIRED, Option, Registry

REGISTRIES = Registry[Registry[Any]](
    "kind",
    built_in={
        "space": "spaces.registry:SPACES",
        "head": "spaces.heads.registry:HEADS",
        "operator": "spaces.operators.base:OPERATORS",
        "format": "spaces.formats.registry:FORMATS",
        "benchmark": "tables.benchmarks.registry:BENCHMARKS",
        "backend": "profiler.backends.registry:BACKENDS",
        "predictor": "predictor.registry:PREDICTORS",
        "encoder": "predictor.encoders.registry:ENCODERS",
        "proxy": "predictor.proxies.registry:PROXIES",
        "data": "oneshot.data.registry:DATA",
        "sampler": "oneshot.samplers.settings:SAMPLERS",
        "task": "oneshot.tasks.registry:TASKS",
        "perturbation": "oneshot.perturbations.registry:PERTURBATIONS",
        "attack": "oneshot.perturbations.minimal.registry:ATTACKS",
        "algorithm": "oneshot.algorithms.registry:ALGORITHMS",
        "strategy": "oneshot.strategies.registry:STRATEGIES",
        "guide": "oneshot.search.guide_registry:GUIDES",
    },
)
"""Kind -> its registry, from the lowest package to the highest."""

_WIDTH = 100


@click.command(
    "list",
    epilog=example(
        """
        pathfit list
        pathfit list strategy
        pathfit list strategy evolution
        pathfit --plugin mine.py list strategy --json
        """
    ),
)
@click.argument("kind", required=False)
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(kind: str | None, name: str | None, as_json: bool) -> None:
    """List kinds of entries, the entries of a KIND, or the options of the entry NAME.

    Entries are built in, or come from an installed package (by an entry point of the kind's group)
    or from a file that --plugin names.
    """
    if kind is None:
        content: Any = [_kind_to_dict(kind) for kind in REGISTRIES]
    elif name is None:
        registry = REGISTRIES.get(kind)
        content = [_entry_to_dict(registry, name) for name in registry]
    else:
        content = _options_to_dict(REGISTRIES.get(kind), name)

    if as_json:
        # Defaults such as enumerations have no JSON of their own.
        click.echo(json.dumps(content, indent=2, default=str))
    else:
        click.echo(_text(kind, name, content), nl=False)


def _kind_to_dict(kind: str) -> dict[str, Any]:
    registry = REGISTRIES.get(kind)
    return {"kind": kind, "entry_points": registry.group, "names": registry.names()}


def _entry_to_dict(registry: Registry[Any], name: str) -> dict[str, Any]:
    # Listed with their entry: an alias has no options of its own.
    aliases = [alias for alias, canonical in registry.aliases.items() if canonical == name]
    return {
        "name": name,
        "summary": registry.summary(name),
        "from": registry.origin(name),
        "aliases": aliases,
    }


def _options_to_dict(registry: Registry[Any], name: str) -> dict[str, Any]:
    canonical = registry.aliases.get(name, name)
    options = registry.options(canonical).values()
    return {
        **_entry_to_dict(registry, canonical),
        "options": [_option_to_dict(option) for option in options],
    }


def _option_to_dict(option: Option) -> dict[str, Any]:
    if option.default is REQUIRED:
        return {"name": option.name, "required": True, "help": option.help}
    return {"name": option.name, "default": option.default, "help": option.help}


def _text(kind: str | None, name: str | None, content: Any) -> str:
    formatter = click.HelpFormatter(width=_WIDTH)
    if kind is None:
        rows = [
            (entry["kind"], f"{', '.join(entry['names'])} ({entry['entry_points']})")
            for entry in content
        ]
    elif name is None:
        rows = [_entry_row(entry) for entry in content]
    else:
        title, description = _entry_row(content)
        formatter.write_text(f"{title}: {description}")
        rows = [_option_row(option) for option in content["options"]]

    if rows:
        formatter.write_dl(rows)
    else:
        formatter.write_text("No options.")

    return formatter.getvalue()


def _entry_row(entry: dict[str, Any]) -> tuple[str, str]:
    title = ", ".join([entry["name"], *entry["aliases"]])
    return title, f"{entry['summary']} [{entry['from']}]".strip()


def _option_row(option: dict[str, Any]) -> tuple[str, str]:
    default = "required" if "required" in option else f"default: {option['default']!r}"
    return option["name"], f"{option['help']} [{default}]".strip()
