"""Pathfit spaces: choices, architectures, and the blocks and networks that they build."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from spaces import formats
    from spaces.architecture import Architecture
    from spaces.block import Block
    from spaces.cells.plan import Plan
    from spaces.cells.space import CellSpace
    from spaces.chains.additive_space import AdditiveSpace, ChoiceLayer
    from spaces.chains.chain import ChainSpace
    from spaces.choice import Choice, Combination, Values
    from spaces.choice_space import ChoiceSpace
    from spaces.errors import PathfitError
    from spaces.modules.choices import LayerChoice
    from spaces.modules.derived_value import DerivedValue, derived, maximum, minimum
    from spaces.modules.elastic_supernet import extract
    from spaces.modules.input_choice import InputChoice
    from spaces.modules.repeat import Repeat
    from spaces.modules.scope import MutableScope
    from spaces.modules.sized import BatchNorm2d, Conv2d, Linear
    from spaces.modules.supernet import Supernet
    from spaces.modules.value_choice import ValueChoice
    from spaces.registry import available, get, register_space
    from spaces.space import SearchSpace
    from spaces.user_model.factory import from_model
    from spaces.user_model.space import ModelSpace
    from spaces.zoo.publications import published, published_names

__version__ = "0.2.0"

__all__ = [
    "AdditiveSpace",
    "Architecture",
    "BatchNorm2d",
    "Block",
    "CellSpace",
    "ChainSpace",
    "Choice",
    "ChoiceLayer",
    "ChoiceSpace",
    "Combination",
    "Conv2d",
    "DerivedValue",
    "InputChoice",
    "LayerChoice",
    "Linear",
    "ModelSpace",
    "MutableScope",
    "PathfitError",
    "Plan",
    "Repeat",
    "SearchSpace",
    "Supernet",
    "ValueChoice",
    "Values",
    "available",
    "derived",
    "extract",
    "formats",
    "from_model",
    "get",
    "maximum",
    "minimum",
    "published",
    "published_names",
    "register_space",
]

__getattr__, __dir__ = exports(
    __name__,
    {
        "AdditiveSpace": ".chains.additive_space",
        "Architecture": ".architecture",
        "BatchNorm2d": ".modules.sized",
        "Block": ".block",
        "CellSpace": ".cells.space",
        "ChainSpace": ".chains.chain",
        "Choice": ".choice",
        "ChoiceLayer": ".chains.additive_space",
        "ChoiceSpace": ".choice_space",
        "Combination": ".choice",
        "Conv2d": ".modules.sized",
        "DerivedValue": ".modules.derived_value",
        "InputChoice": ".modules.input_choice",
        "LayerChoice": ".modules.choices",
        "Linear": ".modules.sized",
        "ModelSpace": ".user_model.space",
        "MutableScope": ".modules.scope",
        "PathfitError": ".errors",
        "Plan": ".cells.plan",
        "Repeat": ".modules.repeat",
        "SearchSpace": ".space",
        "Supernet": ".modules.supernet",
        "ValueChoice": ".modules.value_choice",
        "Values": ".choice",
        "available": ".registry",
        "derived": ".modules.derived_value",
        "extract": ".modules.elastic_supernet",
        "formats": ".formats:",
        "from_model": ".user_model.factory",
        "get": ".registry",
        "maximum": ".modules.derived_value",
        "minimum": ".modules.derived_value",
        "published": ".zoo.publications",
        "published_names": ".zoo.publications",
        "register_space": ".registry",
    },
)
