"""Make predictors by name and load them from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from predictor.encoders.registry import ENCODERS
from predictor.errors import InvalidPredictor
from spaces.errors import PathfitError, UnknownName
from spaces.plugins import BUILT_IN, Registry
from spaces.registry import SPACES, get

if TYPE_CHECKING:
    from predictor.base import Predictor
    from spaces.space import SearchSpace

DEFAULT = "gp"
"""Name of the predictor that is recommended for every space."""

PREDICTORS = Registry["type[Predictor]"](
    "predictor",
    "pathfit.predictors",
    {
        "gp": "predictor.gaussian.predictor:GaussianProcess",
        "evidence": "predictor.evidence.predictor:EvidencePredictor",
        "blend": "predictor.trees.blend:Blend",
        "forest": "predictor.trees.baselines:RandomForest",
        "boosting": "predictor.trees.baselines:Boosting",
    },
    broken=InvalidPredictor,
)
"""Name -> Predictor class; the name of an encoder is that of an ensemble of it as well."""

P = TypeVar("P", bound="type[Predictor]")


def register_predictor(name: str) -> Callable[[P], P]:
    """Return a decorator that registers a Predictor class, made as `predictor(space, seed)`.

    Args:
        name: Name of the predictor, which its `kind` must equal; it can be taken once.

    Example:
        >>> import predictor
        >>> import spaces
        >>> from predictor.trees.baselines import RandomForest
        >>> @predictor.register_predictor("small-forest")
        ... class SmallForest(RandomForest):
        ...     kind = "small-forest"
        >>> type(predictor.make("small-forest", spaces.get("spos-tiny"))).__name__
        'SmallForest'
    """
    return PREDICTORS.register(name)


def available() -> list[str]:
    """Return the names of all predictors: first those of ensembles of one encoder.

    Example:
        >>> import predictor
        >>> "gp" in predictor.available()
        True
    """
    return [*ENCODERS, *PREDICTORS]


def make(kind: str, space: SearchSpace, seed: int = 0) -> Predictor:
    """Make an unfitted predictor.

    Args:
        kind: Name of a predictor, such as `gp`, or of an encoder, such as `gates`.
        space: Space whose architectures are predicted.
        seed: Seed of all randomness.

    Raises:
        UnknownName: No predictor has this name.

    Example:
        >>> import numpy as np
        >>> import predictor
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> codes = space.sample(np.random.default_rng(0), 40)
        >>> model = predictor.make("gp", space)
        >>> model.fit(codes[:30], -space.macs(codes[:30]))
        >>> mean, deviation = model.predict(codes[30:])
        >>> mean.shape
        (10,)
    """
    if kind in ENCODERS:
        # Imported on demand: torch_geometric takes seconds.
        from predictor.ensemble.predictor import GraphPredictor

        return GraphPredictor(space, seed, encoder=kind)
    if kind not in PREDICTORS:
        raise UnknownName("predictor", kind, available())
    return PREDICTORS.get(kind)(space, seed)


def default(space: SearchSpace, seed: int = 0) -> Predictor:
    """Make the unfitted predictor that is recommended for a space.

    Args:
        space: Space whose architectures are predicted.
        seed: Seed of all randomness.

    Example:
        >>> import predictor
        >>> import spaces
        >>> predictor.default(spaces.get("spos-tiny")).kind
        'gp'
    """
    return make(DEFAULT, space, seed)


def load(path: str | Path) -> Predictor:
    """Load a predictor from a file.

    Args:
        path: File that `Predictor.save` wrote.

    Raises:
        InvalidPredictor: The file does not contain a predictor that this Pathfit reads; the message
            names the path and the fault.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import predictor
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> codes = space.sample(np.random.default_rng(0), 20)
        >>> model = predictor.make("forest", space)
        >>> model.fit(codes, -space.macs(codes))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/forest.safetensors")
        ...     loaded = predictor.load(f"{folder}/forest.safetensors")
        >>> bool((loaded.predict(codes)[0] == model.predict(codes)[0]).all())
        True
    """
    from predictor.serialization import read

    config, tensors = read(path)
    try:
        kind = config["kind"]
        if kind != "graph" and kind not in PREDICTORS:
            raise UnknownName("predictor", kind, ["graph", *PREDICTORS])

        return _class(kind).from_state(get(config["space"]), config, tensors)
    except (PathfitError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        # The message of a KeyError is the bare key, and torch's has a line for each tensor.
        fault = str(error).partition("\n")[0]
        if isinstance(error, KeyError):
            fault = f"the key {error} is missing"
        if isinstance(error, UnknownName):
            fault += _missing_plugin(error, config.get("origins"))
        raise InvalidPredictor(f"{path}: {fault}") from error


def origins_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return which plug-ins register the space and the kinds that a predictor's config names.

    Args:
        config: Config of the predictor's file.

    Returns:
        Kind of entry -> origin, such as {"space": "file /home/me/my_space.py"}; entries of Pathfit
        are left out.
    """
    space = str(config.get("space", "")).partition("(")[0]
    entries: list[tuple[Registry[Any], Any]] = [
        (SPACES, space),
        (PREDICTORS, config.get("kind")),
        (ENCODERS, config.get("encoder")),
    ]
    origins = {
        registry.kind: registry.origin(name) for registry, name in entries if name in registry
    }
    return {kind: origin for kind, origin in origins.items() if origin != BUILT_IN}


def _missing_plugin(error: UnknownName, origins: object) -> str:
    """Return which plug-in registers the unknown name of a predictor's file, as a clause."""
    origin = origins.get(error.kind) if isinstance(origins, dict) else None
    # Files from before the origins were recorded, and names of another Pathfit, have none.
    if origin is None:
        return "; if a plug-in registers it, name its file by --plugin"
    sort, _, name = str(origin).partition(" ")
    if sort == "file":
        return f"; it is registered by a plug-in: add --plugin {name}"
    action = "install it" if sort == "distribution" else "import it first"
    return f"; it is registered by the {origin}: {action}"


def _class(kind: str) -> type[Predictor]:
    # "graph" is the name of an ensemble in files; the encoder's name is in its settings.
    if kind == "graph":
        from predictor.ensemble.predictor import GraphPredictor

        return GraphPredictor
    return PREDICTORS.get(kind)
