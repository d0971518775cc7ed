"""NNI's module of mutables, `nni.nas.pytorch.mutables`."""

from spaces.modules.choices import LayerChoice as LayerChoice
from spaces.modules.input_choice import InputChoice as InputChoice
from spaces.modules.mutable import Mutable as Mutable
from spaces.modules.repeat import Repeat as Repeat
from spaces.modules.scope import MutableScope as MutableScope
from spaces.modules.value_choice import ValueChoice as ValueChoice
