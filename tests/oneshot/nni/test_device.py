"""The device of NNI's trainers."""

import pytest
import torch

from oneshot.errors import InvalidOption
from oneshot.nni.device import chosen_device

GPU = torch.cuda.is_available()


def test_a_gpu_is_taken_where_there_is_one() -> None:
    assert chosen_device(None).type == ("cuda" if GPU else "cpu")
    assert chosen_device("cpu") == chosen_device(torch.device("cpu")) == torch.device("cpu")


def test_what_trainings_do_not_run_on_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        InvalidOption, match="device must be cpu, gpu, gpu:NUMBER or auto, not 'toaster'"
    ):
        chosen_device("toaster")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InvalidOption, match="device 'cuda': this torch sees 0 CUDA devices here"):
        chosen_device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert chosen_device(torch.device("cuda:0")) == torch.device("cuda", 0)
    with pytest.raises(
        InvalidOption,
        match="device must be cpu or cuda, not 'cuda:1'; CUDA_VISIBLE_DEVICES chooses",
    ):
        chosen_device(torch.device("cuda:1"))
