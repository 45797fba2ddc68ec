"""Activation checkpointing changes the memory that training takes, and nothing else."""
import copy
from typing import Dict, List, Tuple

import pytest
import torch
from torch import Tensor, nn

from rsn_mm.models import RSN, ResidualStepsBlock
from rsn_mm.models.multi_stage import CrossStage, UpUnit


def trained(norm_cfg: dict, with_cp: bool, freeze_stem: bool = False) -> Tuple[List[Tensor], Dict[str, Tensor],
                                                                              Dict[str, Tensor]]:
    """Losses, last gradients and state of a two-stage network after three training steps."""
    torch.manual_seed(0)
    net = RSN(num_stages=2, num_blocks=[2, 1], stem_channels=8, unit_channels=8, with_cp=with_cp, norm_cfg=norm_cfg)
    if freeze_stem:
        net.body.stem.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=.1)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = sum(unit.square().mean() for stage in net(torch.randn(2, 3, 32, 32)) for unit in stage)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    gradients = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return losses, gradients, copy.deepcopy(net.state_dict())


@pytest.mark.parametrize('norm_cfg', [dict(type='BN'), dict(type='BN', momentum=None), dict(type='GN', num_groups=1)],
                         ids=['BN', 'cumulative BN', 'GN'])
@pytest.mark.parametrize('freeze_stem', [False, True])
def test_training_is_the_same(norm_cfg, freeze_stem):
    """Losses, gradients, weights, running statistics and num_batches_tracked, to the last bit."""
    plain = trained(norm_cfg, with_cp=False, freeze_stem=freeze_stem)
    checkpointed = trained(norm_cfg, with_cp=True, freeze_stem=freeze_stem)
    torch.testing.assert_close(checkpointed, plain, rtol=0, atol=0)
    counters = [value for name, value in plain[2].items() if name.endswith('num_batches_tracked')]
    assert all(count == 3 for count in counters)


def test_momentum_is_restored():
    block = ResidualStepsBlock(8, 8, with_cp=True)
    block(torch.randn(2, 8, 4, 4, requires_grad=True)).sum().backward()
    assert {norm.momentum for norm in block.modules() if isinstance(norm, nn.BatchNorm2d)} == {.1}


class TestIsUsed:

    @pytest.fixture
    def runs(self, monkeypatch) -> List[ResidualStepsBlock]:
        """Blocks in the order in which they computed."""
        runs: List[ResidualStepsBlock] = []
        forward = ResidualStepsBlock._forward
        monkeypatch.setattr(ResidualStepsBlock, '_forward', lambda self, x: (runs.append(self), forward(self, x))[1])
        return runs

    def net(self, with_cp: bool) -> RSN:
        return RSN(num_blocks=[2, 1], stem_channels=8, unit_channels=8, with_cp=with_cp)

    @pytest.mark.parametrize('with_cp, times', [(False, 1), (True, 2)])
    def test_blocks_are_recomputed_in_the_backward_pass(self, runs, with_cp, times):
        self.net(with_cp)(torch.randn(2, 3, 32, 32))[-1][-1].sum().backward()
        assert len(runs) == times * 3

    def test_nothing_is_recomputed_in_prediction(self, runs):
        net = self.net(with_cp=True).eval()
        net(torch.randn(1, 3, 32, 32, requires_grad=True))[-1][-1].sum().backward()
        assert len(runs) == 3

    def test_units_and_connections_are_recomputed(self, monkeypatch):
        runs = []
        for part, name in ((UpUnit, '_forward'), (CrossStage, '_skip')):
            function = getattr(part, name)
            monkeypatch.setattr(part, name, lambda self, *inputs, f=function: (runs.append(type(self)), f(self, *inputs))[1])
        net = RSN(num_stages=2, num_blocks=[2, 1], stem_channels=8, unit_channels=8, with_cp=True)
        sum(units[-1].sum() for units in net(torch.randn(2, 3, 32, 32))).backward()
        assert [runs.count(part) for part in (UpUnit, CrossStage)] == [2 * 4, 2 * 2]

    def test_fewer_tensors_are_kept(self, saved_tensors):
        image = torch.randn(2, 3, 32, 32)
        plain, checkpointed = self.net(with_cp=False), self.net(with_cp=True)
        assert saved_tensors(lambda: checkpointed(image)) < saved_tensors(lambda: plain(image)) / 4
