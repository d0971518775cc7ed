"""Pathfit spaces: what a network can be."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from spaces import formats as formats
    from spaces.architecture import Architecture as Architecture
    from spaces.block import Block as Block
    from spaces.chains.additive_space import AdditiveSpace as AdditiveSpace
    from spaces.chains.additive_space import ChoiceLayer as ChoiceLayer
    from spaces.chains.chain import ChainSpace as ChainSpace
    from spaces.choice import Choice as Choice
    from spaces.choice_space import ChoiceSpace as ChoiceSpace
    from spaces.modules.choices import LayerChoice as LayerChoice
    from spaces.modules.input_choice import InputChoice as InputChoice
    from spaces.modules.repeat import Repeat as Repeat
    from spaces.modules.supernet import Supernet as Supernet
    from spaces.modules.value_choice import ValueChoice as ValueChoice
    from spaces.registry import available as available
    from spaces.registry import get as get
    from spaces.registry import register_space as register_space
    from spaces.space import SearchSpace as SearchSpace
    from spaces.user_model.factory import from_model as from_model
    from spaces.user_model.space import ModelSpace as ModelSpace
    from spaces.zoo.publications import published as published
    from spaces.zoo.publications import published_names as published_names

__version__ = "0.1.0"

__getattr__, __dir__ = exports(
    __name__,
    {
        "AdditiveSpace": ".chains.additive_space",
        "Architecture": ".architecture",
        "Block": ".block",
        "ChainSpace": ".chains.chain",
        "Choice": ".choice",
        "ChoiceSpace": ".choice_space",
        "ChoiceLayer": ".chains.additive_space",
        "InputChoice": ".modules.input_choice",
        "LayerChoice": ".modules.choices",
        "ModelSpace": ".user_model.space",
        "Repeat": ".modules.repeat",
        "SearchSpace": ".space",
        "Supernet": ".modules.supernet",
        "ValueChoice": ".modules.value_choice",
        "available": ".registry",
        "from_model": ".user_model.factory",
        "formats": ".formats:",
        "get": ".registry",
        "published": ".zoo.publications",
        "published_names": ".zoo.publications",
        "register_space": ".registry",
    },
)
