"""Operators of blocks, described as named branches of primitive layers, without torch.

Counting (multiply-accumulates, parameters) and building (`spaces.modules`) read the descriptions.
"""

from spaces.operators import binary as _binary
from spaces.operators import cell as _cell
from spaces.operators import heads as _heads
from spaces.operators import mobile as _mobile
from spaces.operators import plain as _plain
from spaces.operators import shuffle as _shuffle
from spaces.operators import text as _text
from spaces.operators.base import Arrangement as Arrangement
from spaces.operators.base import Operator as Operator
from spaces.operators.base import operator as operator
from spaces.operators.base import register_operator as register_operator

# These modules register their operators when they are imported.
_ = _binary, _cell, _heads, _mobile, _plain, _shuffle, _text
