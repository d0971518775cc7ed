"""Published constants with their sources: the one table that tests compare the code with.

The values were read in the sources and never in the code under test. A row is `method.subject`; a
value that the publication leaves open has no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Constant:
    """A published value.

    Args:
        value: The value, in the unit of its row's comment.
        source: Repository with its file, or paper with its section.
    """

    value: Any
    source: str


CARS = "huawei-noah/vega, docs/en/algorithms/cars.md"
DARTS = "quark0/darts, cnn/train_search.py"
DARTS_MODEL = "quark0/darts, cnn/model_search.py"
DARTS_ARCHITECT = "quark0/darts, cnn/architect.py"
DARTS_TRAIN = "quark0/darts, cnn/train.py"
ENAS = "melodyguan/enas, scripts/cifar10_micro_search.sh"
ENAS_CHILD = "melodyguan/enas, src/cifar10/micro_child.py"
ENAS_MAIN = "melodyguan/enas, src/cifar10/main.py"
ENAS_CONTROLLER = "melodyguan/enas, src/cifar10/micro_controller.py"
ENAS_OPTIMISER = "melodyguan/enas, src/utils.py"
FBNET = "facebookresearch/mobile-vision, FBNet's model zoo"
GATES = "walkerning/aw_nas, configurations of GATES; Ning et al., ECCV 2020"
GDAS_201 = "D-X-Y/AutoDL-Projects, configs/nas-benchmark/algos/GDAS.config at its newest commit"
GDAS = "D-X-Y/AutoDL-Projects, exps/algos/GDAS.py"
GDAS_CELLS = "D-X-Y/AutoDL-Projects, configs/search-opts/GDAS-NASNet-CIFAR.config"
GDAS_SCRIPT = "D-X-Y/AutoDL-Projects, scripts-search/GDAS-search-NASNet-space.sh"
OFA = "mit-han-lab/once-for-all, train_ofa_net.py"
OFA_PIXEL = "mit-han-lab/once-for-all, pixel1_lat-20ms.net.config"
OFA_NOTE = "mit-han-lab/once-for-all, note10_lat-30ms_top1-78.4_finetune-75.net.config"
PC_DARTS = "yuhuixu1993/PC-DARTS, train_search.py"
PC_DARTS_MODEL = "yuhuixu1993/PC-DARTS, model_search.py"
PC_DARTS_AW_NAS = "walkerning/aw_nas, examples/mloss/pcdarts/pcdarts_search.yaml"
PROXYLESS = "mit-han-lab/proxylessnas, search/imagenet_arch_search.py"
PROXYLESS_STEP = "mit-han-lab/proxylessnas, search/nas_manager.py"
PROXYLESS_MODEL = "mit-han-lab/proxylessnas, search/models"
SNAS = "SNAS-Series/SNAS-Series, SNAS/train_search.py"
SNAS_README = "SNAS-Series/SNAS-Series, SNAS/README.md at its newest commit"
SPOS_SEARCH = "megvii-model/SinglePathOneShot, src/Search/search.py"
SPOS_TESTER = "megvii-model/SinglePathOneShot, src/Search: the evaluation of a candidate"
SPOS_SUPERNET = "megvii-model/SinglePathOneShot, src/Supernet/train.py"
SPOS_RETRAINING = "megvii-model/SinglePathOneShot, src/Evaluation/template/train.py"
SPOS_CHANNELS = "megvii-model/SinglePathOneShot, channel search"
TA_GATES = "walkerning/aw_nas, configuration of fbflow on NAS-Bench-201; Ning et al., NeurIPS 2022"

PUBLISHED = {
    # DARTS: the search on CIFAR-10
    "darts.search.channels": Constant(16, DARTS),
    "darts.search.layers": Constant(8, DARTS),
    "darts.search.epochs": Constant(50, DARTS),
    "darts.search.batch": Constant(64, DARTS),
    "darts.search.train_fraction": Constant(0.5, DARTS),
    "darts.search.learning_rate": Constant(0.025, DARTS),
    "darts.search.least_learning_rate": Constant(0.001, DARTS),
    "darts.search.momentum": Constant(0.9, DARTS),
    "darts.search.nesterov": Constant(False, DARTS),
    "darts.search.weight_decay": Constant(3e-4, DARTS),
    # Maximum norm of the gradient; the logits are not among the clipped parameters.
    "darts.search.clip": Constant(5.0, DARTS),
    "darts.clips_logits": Constant(False, DARTS),
    "darts.search.affine_operations": Constant(False, DARTS_MODEL),
    "darts.search.affine_stem": Constant(True, DARTS_MODEL),
    "darts.search.norm_after_pools": Constant(True, DARTS_MODEL),
    "darts.architecture.learning_rate": Constant(3e-4, DARTS),
    "darts.architecture.weight_decay": Constant(1e-3, DARTS),
    "darts.architecture.betas": Constant((0.5, 0.999), DARTS_ARCHITECT),
    "darts.architecture.initial": Constant(1e-3, DARTS_MODEL),
    "darts.architecture.epsilon": Constant(0.01, DARTS_ARCHITECT),
    # DARTS: the network that is trained afterwards
    "darts.network.channels": Constant(36, DARTS_TRAIN),
    "darts.network.layers": Constant(20, DARTS_TRAIN),
    "darts.network.auxiliary": Constant(0.4, DARTS_TRAIN),
    "darts.network.cutout": Constant(16, DARTS_TRAIN),
    "darts.network.drop_path": Constant(0.2, DARTS_TRAIN),
    "darts.network.epochs": Constant(600, DARTS_TRAIN),
    "darts.network.batch": Constant(96, DARTS_TRAIN),
    # PC-DARTS
    "pc-darts.epochs": Constant(50, PC_DARTS),
    "pc-darts.batch": Constant(256, PC_DARTS),
    "pc-darts.learning_rate": Constant(0.1, PC_DARTS),
    "pc-darts.least_learning_rate": Constant(0.001, PC_DARTS),
    "pc-darts.weight_decay": Constant(3e-4, PC_DARTS),
    "pc-darts.momentum": Constant(0.9, PC_DARTS),
    "pc-darts.clip": Constant(5.0, PC_DARTS),
    "pc-darts.architecture.learning_rate": Constant(6e-4, PC_DARTS),
    "pc-darts.architecture.weight_decay": Constant(1e-3, PC_DARTS),
    # Epochs in which the logits rest: `epoch >= 15`.
    "pc-darts.architecture.warmup": Constant(15, PC_DARTS),
    "pc-darts.channel_divisor": Constant(4, PC_DARTS_MODEL),
    # Batch and learning rate.
    "pc-darts.aw_nas": Constant((192, 0.075), PC_DARTS_AW_NAS),
    # CARS: the search on CIFAR-10
    "cars.epochs": Constant(500, CARS),
    "cars.batch_size": Constant(128, CARS),
    "cars.learning_rate": Constant(0.025, CARS),
    "cars.least_learning_rate": Constant(0.001, CARS),
    "cars.weight_decay": Constant(3e-4, CARS),
    "cars.clip": Constant(5.0, CARS),
    "cars.population": Constant(128, CARS),
    "cars.warmup": Constant(50, CARS),
    "cars.every": Constant(10, CARS),
    # The batch of its validation.
    "cars.images": Constant(3500, CARS),
    # GDAS
    "gdas.nasbench201.epochs": Constant(250, GDAS_201),
    "gdas.nasbench201.batch": Constant(64, GDAS_201),
    "gdas.nasbench201.learning_rate": Constant(0.025, GDAS_201),
    "gdas.nasbench201.least_learning_rate": Constant(0.001, GDAS_201),
    "gdas.nasbench201.momentum": Constant(0.9, GDAS_201),
    "gdas.nasbench201.nesterov": Constant(True, GDAS_201),
    "gdas.nasbench201.weight_decay": Constant(5e-4, GDAS_201),
    "gdas.nasbench201.warmup": Constant(0, GDAS_201),
    "gdas.cells.epochs": Constant(250, GDAS_CELLS),
    "gdas.cells.batch": Constant(256, GDAS_CELLS),
    "gdas.clip": Constant(5.0, GDAS),
    "gdas.clips_logits": Constant(False, GDAS),
    "gdas.first_temperature": Constant(10.0, GDAS_SCRIPT),
    "gdas.last_temperature": Constant(0.1, GDAS_SCRIPT),
    # SNAS: the search with 8 cells
    "snas.epochs": Constant(150, SNAS_README),
    "snas.channels": Constant(16, SNAS_README),
    "snas.cells": Constant(8, SNAS_README),
    "snas.first_temperature": Constant(1.0, SNAS_README),
    "snas.last_temperature": Constant(0.03, SNAS_README),
    "snas.resource": Constant(1.5e-3, SNAS_README),
    "snas.earlier_resource": Constant(1e-2, "SNAS-Series/SNAS-Series, SNAS/README.md, earlier"),
    "snas.clip": Constant(5.0, SNAS),
    "snas.clips_logits": Constant(False, SNAS),
    # ENAS: the search for cells on CIFAR-10
    "enas.child.layers": Constant(6, ENAS),
    "enas.child.channels": Constant(20, ENAS),
    "enas.child.cells": Constant(5, ENAS),
    "enas.child.operations": Constant(5, ENAS),
    "enas.child.batch": Constant(160, ENAS),
    "enas.child.epochs": Constant(150, ENAS),
    "enas.child.learning_rate": Constant(0.05, ENAS),
    "enas.child.least_learning_rate": Constant(0.0005, ENAS),
    "enas.child.first_restart": Constant(10, ENAS),  # epochs
    "enas.child.restart_factor": Constant(2, ENAS),
    "enas.child.l2": Constant(1e-4, ENAS),  # factor of the squared weights
    "enas.child.keep": Constant(0.9, ENAS),
    "enas.child.drop_path_keep": Constant(0.6, ENAS),
    # The flag has no effect in a search: paths of fixed architectures are dropped only.
    "enas.child.drops_paths_in_search": Constant(False, ENAS_CHILD),
    "enas.child.auxiliary_heads": Constant(True, ENAS),
    "enas.child.auxiliary_weight": Constant(0.4, ENAS_CHILD),
    # The gradient is taken by the other variables only.
    "enas.child.auxiliary_learns": Constant(False, ENAS_CHILD),
    "enas.controller.learning_rate": Constant(0.0035, ENAS),
    "enas.controller.entropy_weight": Constant(1e-4, ENAS),  # in the reward
    "enas.controller.tanh_constant": Constant(1.10, ENAS),
    "enas.controller.operation_tanh_reduce": Constant(2.5, ENAS),
    "enas.controller.steps": Constant(30, ENAS),  # after each epoch
    "enas.controller.aggregate": Constant(10, ENAS),
    # micro_controller.py has 2 as its default, for which main.py passes 1.
    "enas.controller.layers": Constant(1, ENAS_MAIN),
    "enas.controller.first_baseline": Constant(0.0, ENAS_CONTROLLER),
    "enas.controller.learned_prior": Constant((10.0, 10.0, 0.0, 0.0, 0.0), ENAS_CONTROLLER),
    "enas.controller.fixed_prior": Constant((0.25, 0.25, -0.25, -0.25, -0.25), ENAS_CONTROLLER),
    "enas.controller.batch_per_path": Constant(True, ENAS_CONTROLLER),
    "enas.controller.ppo": Constant(False, ENAS_CONTROLLER),
    "enas.controller.betas": Constant((0.0, 0.999), ENAS_OPTIMISER),
    "enas.controller.epsilon": Constant(1e-3, ENAS_OPTIMISER),
    "enas.controller.baseline_decay": Constant(0.99, ENAS_MAIN),
    "enas.controller.hidden": Constant(64, ENAS_MAIN),
    # ProxylessNAS
    "proxylessnas.warmup.epochs": Constant(40, PROXYLESS),
    "proxylessnas.warmup.learning_rate": Constant(0.05, PROXYLESS_STEP),
    "proxylessnas.search.epochs": Constant(120, PROXYLESS),
    "proxylessnas.search.batch": Constant(256, PROXYLESS),
    "proxylessnas.search.learning_rate": Constant(0.025, PROXYLESS),
    "proxylessnas.search.weight_decay": Constant(4e-5, PROXYLESS),
    # Smoothing of the weights' steps; the architecture's step takes the plain cross-entropy.
    "proxylessnas.search.label_smoothing": Constant(0.1, PROXYLESS),
    "proxylessnas.architecture.label_smoothing": Constant(0.0, PROXYLESS_STEP),
    "proxylessnas.architecture.learning_rate": Constant(1e-3, PROXYLESS),
    "proxylessnas.architecture.betas": Constant((0.0, 0.999), PROXYLESS),
    "proxylessnas.architecture.weight_decay": Constant(0.0, PROXYLESS),
    "proxylessnas.architecture.initial": Constant(1e-3, PROXYLESS),
    "proxylessnas.architecture.every": Constant(5, PROXYLESS),
    "proxylessnas.reinforce.paths": Constant(10, PROXYLESS),
    # baseline += weight x (mean reward - baseline)
    "proxylessnas.reinforce.baseline_weight": Constant(0.99, PROXYLESS_STEP),
    "proxylessnas.reinforce.exponent": Constant(0.1, PROXYLESS),
    "proxylessnas.supernet.norm_eps": Constant(1e-3, PROXYLESS),
    "proxylessnas.supernet.norm_momentum": Constant(0.1, PROXYLESS),
    "proxylessnas.supernet.affine": Constant(True, PROXYLESS_MODEL),
    # FBNet: multiply-accumulates and parameters of the published networks
    "fbnet.a.macs": Constant(249e6, FBNET),
    "fbnet.b.macs": Constant(295e6, FBNET),
    "fbnet.c.macs": Constant(375e6, FBNET),
    "fbnet.a.params": Constant(4.3e6, FBNET),
    "fbnet.b.params": Constant(4.5e6, FBNET),
    "fbnet.c.params": Constant(5.5e6, FBNET),
    # Without the first pointwise convolution where the expansion is 1, with the classifier
    "fbnet.a.macs_of_release": Constant(244.4e6, FBNET),
    "fbnet.b.macs_of_release": Constant(291.0e6, FBNET),
    "fbnet.c.macs_of_release": Constant(378.2e6, FBNET),
    # Once-for-All
    "ofa.gpus": Constant(32, "arXiv 1908.09791, section 4.1"),
    "ofa.batch_per_gpu": Constant(64, OFA),
    "ofa.weight_decay": Constant(3e-5, OFA),
    "ofa.label_smoothing": Constant(0.1, OFA),
    "ofa.momentum": Constant(0.9, OFA),
    "ofa.nesterov": Constant(True, OFA),
    "ofa.dropout": Constant(0.1, OFA),
    "ofa.network_dropout": Constant(0.1, OFA_PIXEL),
    "ofa.wide_network_dropout": Constant(0.2, OFA_NOTE),
    # Factor of the cross-entropy with the largest network, which is added to that with the labels
    # (elastic_nn/training/progressive_shrinking.py).
    "ofa.distillation": Constant(1.0, OFA),
    "ofa.warmup_epochs": Constant(5, OFA),  # before the stages of 120 epochs
    "ofa.largest.learning_rate": Constant(2.6, "arXiv 1908.09791, section 4.1"),
    "ofa.largest.epochs": Constant(180, "arXiv 1908.09791, section 4.1"),
    # Rates of one GPU, epochs, and sub-networks of an update in each elastic stage
    "ofa.kernel": Constant((0.03, 120, 1), OFA),
    "ofa.depth_1": Constant((0.0025, 25, 2), OFA),
    "ofa.depth_2": Constant((0.0075, 120, 2), OFA),
    "ofa.expand_1": Constant((0.0025, 25, 4), OFA),
    "ofa.expand_2": Constant((0.0075, 120, 4), OFA),
    # SPOS: middle channels int(32 x scale) of the first stage, scales 0.2, 0.4, ... 2.0
    "spos.channels.first_stage": Constant((6, 12, 19, 25, 32, 38, 44, 51, 57, 64), SPOS_CHANNELS),
    # SPOS: the evolution
    "spos.search.population": Constant(50, SPOS_SEARCH),
    "spos.search.epochs": Constant(20, SPOS_SEARCH),
    "spos.search.parents": Constant(10, SPOS_SEARCH),
    "spos.search.crossovers": Constant(25, SPOS_SEARCH),
    "spos.search.mutations": Constant(25, SPOS_SEARCH),
    "spos.search.mutation_probability": Constant(0.1, SPOS_SEARCH),
    # The random population, and as many in each of the 20 epochs
    "spos.search.evaluations": Constant(1050, SPOS_SEARCH),
    "spos.search.ranking": Constant("top1", SPOS_SEARCH),
    "spos.search.recalibration_batches": Constant(200, SPOS_TESTER),
    "spos.search.recalibration_batch_size": Constant(128, SPOS_TESTER),
    # 40 batches of 200
    "spos.search.validation_images": Constant(8000, SPOS_TESTER),
    # SPOS: the supernet and the network that is trained afterwards
    "spos.supernet.steps": Constant(150_000, SPOS_SUPERNET),
    "spos.supernet.batch": Constant(1024, SPOS_SUPERNET),
    "spos.supernet.learning_rate": Constant(0.5, SPOS_SUPERNET),
    "spos.supernet.momentum": Constant(0.9, SPOS_SUPERNET),
    "spos.supernet.weight_decay": Constant(4e-5, SPOS_SUPERNET),
    "spos.supernet.label_smoothing": Constant(0.1, SPOS_SUPERNET),
    "spos.supernet.colour_jitter": Constant(0.4, SPOS_SUPERNET),
    "spos.network.steps": Constant(300_000, SPOS_RETRAINING),
    "spos.network.batch": Constant(1024, SPOS_RETRAINING),
    "spos.network.learning_rate": Constant(0.5, SPOS_RETRAINING),
    "spos.network.weight_decay": Constant(4e-5, SPOS_RETRAINING),
    "spos.network.label_smoothing": Constant(0.1, SPOS_RETRAINING),
    "spos.network.colour_jitter": Constant(0.4, SPOS_RETRAINING),
    # Last iterations, which compute the statistics of batch normalisation as a cumulative mean
    "spos.network.norm_batches": Constant(1250, SPOS_RETRAINING),
    # Batches after the training that compute the statistics of batch normalisation
    "darts.network.norm_batches": Constant(0, DARTS_TRAIN),
    "darts.imagenet.norm_batches": Constant(0, "quark0/darts, cnn/train_imagenet.py"),
    "nasbench201.network.norm_batches": Constant(
        0, "D-X-Y/AutoDL-Projects, exps/NAS-Bench-201/functions.py, evaluate_for_seed"
    ),
    "proxylessnas.network.norm_batches": Constant(
        0, "mit-han-lab/proxylessnas, search/imagenet_run_exp.py"
    ),
    # Validation images: the short side in pixels, and the sides (width, height) of photographs of
    # 500 x 375, 333 x 500 and 1024 x 683 after int(size / short * long + .5)
    "spos.resize.short_side": Constant(256, SPOS_RETRAINING),
    "spos.resize.sizes": Constant(
        {(500, 375): (341, 256), (333, 500): (256, 384), (1024, 683): (384, 256)}, SPOS_RETRAINING
    ),
    # Predictors and training-free scores.
    "ta-gates.layers": Constant(3, f"{TA_GATES}: flow 128x3, forward and backward"),
    "ta-gates.channels": Constant(128, f"{TA_GATES}: flow 128x3"),
    "ta-gates.steps": Constant(4, f"{TA_GATES}: T = 4 passes"),
    "ta-gates.update_scale": Constant(0.1, f"{TA_GATES}: updates scaled by .1"),
    "ta-gates.head": Constant(300, f"{TA_GATES}: head 300x5"),
    "ta-gates.head_layers": Constant(5, f"{TA_GATES}: head 300x5"),
    "ta-gates.operation_channels": Constant(48, f"{TA_GATES}: embeddings of operations 48"),
    "ta-gates.state_channels": Constant(96, f"{TA_GATES}: initial states of nodes 96"),
    "gates.edges.layers": Constant(5, f"{GATES}: five layers of 128 on NAS-Bench-201"),
    "gates.edges.channels": Constant(128, f"{GATES}: five layers of 128 on NAS-Bench-201"),
    "gates.edges.head": Constant(300, f"{GATES}: five hidden layers of 300 on NAS-Bench-201"),
    "gates.edges.head_layers": Constant(5, f"{GATES}: five hidden layers of 300"),
    "gates.nodes.gate_bias": Constant(True, f"{GATES}: the gate's linear map has a bias"),
    "zen.summed_dimensions": Constant((1, 2, 3), "idstcv/ZenNAS: channels, rows and columns"),
}
"""Row -> value with its source."""


def published(row: str) -> Any:
    """Return the value of a row of PUBLISHED.

    Args:
        row: Key of the row, such as `darts.search.channels`.
    """
    return PUBLISHED[row].value


AW_NAS_README = (
    "CNNGenotype(normal_0=[('dil_conv_3x3', 1, 2), ('skip_connect', 1, 2), ('sep_conv_3x3', 0, 3),"
    " ('sep_conv_3x3', 2, 3), ('skip_connect', 3, 4), ('sep_conv_3x3', 0, 4), ('sep_conv_5x5', 1,"
    " 5), ('sep_conv_5x5', 0, 5)], reduce_1=[('max_pool_3x3', 0, 2), ('dil_conv_5x5', 0, 2),"
    " ('avg_pool_3x3', 1, 3), ('avg_pool_3x3', 2, 3), ('sep_conv_5x5', 1, 4), ('avg_pool_3x3', 1,"
    " 4), ('sep_conv_3x3', 1, 5), ('dil_conv_5x5', 3, 5)], normal_0_concat=[2, 3, 4, 5],"
    " reduce_1_concat=[2, 3, 4, 5])"
)
"""Genotype in the README of walkerning/aw_nas ("Final Training of Cell-based Architecture")."""
