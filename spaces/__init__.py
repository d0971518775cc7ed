"""Pathfit spaces: what a network can be."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from spaces import formats as formats
    from spaces.additive_space import AdditiveSpace as AdditiveSpace
    from spaces.additive_space import ChoiceLayer as ChoiceLayer
    from spaces.architecture import Architecture as Architecture
    from spaces.block import Block as Block
    from spaces.chain import ChainSpace as ChainSpace
    from spaces.choice import Choice as Choice
    from spaces.model_factory import from_model as from_model
    from spaces.model_space import ModelSpace as ModelSpace
    from spaces.modules.choices import LayerChoice as LayerChoice
    from spaces.modules.input_choice import InputChoice as InputChoice
    from spaces.modules.repeat import Repeat as Repeat
    from spaces.modules.supernet import Supernet as Supernet
    from spaces.modules.value_choice import ValueChoice as ValueChoice
    from spaces.publications import published as published
    from spaces.publications import published_names as published_names
    from spaces.registry import available as available
    from spaces.registry import get as get
    from spaces.registry import register_space as register_space
    from spaces.space import SearchSpace as SearchSpace

__version__ = "0.1.0"

__getattr__, __dir__ = exports(
    __name__,
    {
        "AdditiveSpace": ".additive_space",
        "Architecture": ".architecture",
        "Block": ".block",
        "ChainSpace": ".chain",
        "Choice": ".choice",
        "ChoiceLayer": ".additive_space",
        "InputChoice": ".modules.input_choice",
        "LayerChoice": ".modules.choices",
        "ModelSpace": ".model_space",
        "Repeat": ".modules.repeat",
        "SearchSpace": ".space",
        "Supernet": ".modules.supernet",
        "ValueChoice": ".modules.value_choice",
        "available": ".registry",
        "from_model": ".model_factory",
        "formats": ".formats:",
        "get": ".registry",
        "published": ".publications",
        "published_names": ".publications",
        "register_space": ".registry",
    },
)
