"""Limit the FLOPs of the evolution's candidates."""

from network import OneShot

from oneshot.nni import SPOSEvolution


class EvolutionWithFlops(SPOSEvolution):
    def __init__(self, flops_limit=90, **kwargs):
        super().__init__(**kwargs)
        self.model = OneShot()
        self.flops_limit = flops_limit

    def _is_legal(self, cand):
        if not super()._is_legal(cand):
            return False
        return self.model.get_candidate_flops(cand) <= self.flops_limit
