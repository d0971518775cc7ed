"""Pathfit's trainers, mutators and tuners with the names and arguments of NNI (microsoft/nni)."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.nni.evolution import SPOSEvolution as SPOSEvolution
    from oneshot.nni.mutator import SPOSSupernetTrainingMutator as SPOSSupernetTrainingMutator
    from oneshot.nni.proxyless import ProxylessNasTrainer as ProxylessNasTrainer
    from oneshot.nni.proxyless import ProxylessTrainer as ProxylessTrainer
    from oneshot.nni.trainer import SPOSSupernetTrainer as SPOSSupernetTrainer
    from oneshot.nni.tuner import StrategyTuner as StrategyTuner

__getattr__, __dir__ = exports(
    __name__,
    {
        "ProxylessNasTrainer": ".proxyless",
        "ProxylessTrainer": ".proxyless",
        "SPOSEvolution": ".evolution",
        "SPOSSupernetTrainer": ".trainer",
        "SPOSSupernetTrainingMutator": ".mutator",
        "StrategyTuner": ".tuner",
    },
)
