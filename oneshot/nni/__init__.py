"""Pathfit's trainers, mutators and tuners with the names and arguments of NNI (microsoft/nni)."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.mutators.binding import BaseMutator as BaseMutator
    from oneshot.mutators.mutator import FixedArchitecture as FixedArchitecture
    from oneshot.mutators.mutator import Mutator as Mutator
    from oneshot.mutators.mutator import RandomMutator as RandomMutator
    from oneshot.nni import mutables as mutables
    from oneshot.nni.callbacks import ArchitectureCheckpoint as ArchitectureCheckpoint
    from oneshot.nni.callbacks import Callback as Callback
    from oneshot.nni.callbacks import LRSchedulerCallback as LRSchedulerCallback
    from oneshot.nni.callbacks import ModelCheckpoint as ModelCheckpoint
    from oneshot.nni.evolution import SPOSEvolution as SPOSEvolution
    from oneshot.nni.fixed import apply_fixed_architecture as apply_fixed_architecture
    from oneshot.nni.fixed import get_and_apply_next_architecture as get_and_apply_next_architecture
    from oneshot.nni.meters import AverageMeter as AverageMeter
    from oneshot.nni.meters import AverageMeterGroup as AverageMeterGroup
    from oneshot.nni.mutator import SPOSSupernetTrainingMutator as SPOSSupernetTrainingMutator
    from oneshot.nni.proxyless import ProxylessNasTrainer as ProxylessNasTrainer
    from oneshot.nni.proxyless import ProxylessTrainer as ProxylessTrainer
    from oneshot.nni.trainer import SPOSSupernetTrainer as SPOSSupernetTrainer
    from oneshot.nni.tuner import StrategyTuner as StrategyTuner
    from spaces.modules.choices import LayerChoice as LayerChoice
    from spaces.modules.input_choice import InputChoice as InputChoice
    from spaces.modules.scope import MutableScope as MutableScope

__getattr__, __dir__ = exports(
    __name__,
    {
        "ArchitectureCheckpoint": ".callbacks",
        "AverageMeter": ".meters",
        "AverageMeterGroup": ".meters",
        "BaseMutator": "..mutators.mutator",
        "Callback": ".callbacks",
        "FixedArchitecture": "..mutators.mutator",
        "InputChoice": ".mutables",
        "LRSchedulerCallback": ".callbacks",
        "LayerChoice": ".mutables",
        "ModelCheckpoint": ".callbacks",
        "MutableScope": ".mutables",
        "Mutator": "..mutators.mutator",
        "ProxylessNasTrainer": ".proxyless",
        "ProxylessTrainer": ".proxyless",
        "RandomMutator": "..mutators.mutator",
        "SPOSEvolution": ".evolution",
        "SPOSSupernetTrainer": ".trainer",
        "SPOSSupernetTrainingMutator": ".mutator",
        "StrategyTuner": ".tuner",
        "apply_fixed_architecture": ".fixed",
        "get_and_apply_next_architecture": ".fixed",
        "mutables": ".mutables:",
    },
)
