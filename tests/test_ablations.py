"""The configs of the paper's ablations (Tables 3, 4 and 5): what varies, at which cost."""
import copy
from functools import cache
from pathlib import Path
from typing import Tuple

import pytest
import torch
from mmengine.config import Config
from torch import nn

from rsn_mm import registry
from rsn_mm.models import RSN, ResidualStepsBlock

from .counting import counted_macs

ROOT = Path(__file__).parents[1]
# What each config changes of the RSN beside it.
BRANCHES = {
    f'rsn{depth}_{n}branch_coco_256x192': (f'rsn{depth}_coco_256x192', dict(num_branches=n, match_capacity=True))
    for depth in (18, 50) for n in (2, 3, 5, 6)
}
BLOCKS = {
    name.format(block): (name.format('rsn'), dict(block=block, **({} if '18' in name or block == 'densenet' else
                                                                  dict(expansion=4))))
    for block, names in {
        'resnet': ['{}18_coco_256x192', '{}50_coco_256x192', '{}101_coco_256x192', '4x{}50_coco_256x192',
                   '4x{}50_coco_384x288'],
        'res2net': ['{}18_coco_256x192', '{}50_coco_256x192', '{}101_coco_256x192', '4x{}50_coco_256x192',
                    '4x{}50_coco_384x288'],
        'densenet': ['{}18_coco_256x192', '{}50_coco_256x192'],
    }.items() for name in names
}
WIDE = {path.stem: path.stem.replace('_wide', '') for path in sorted((ROOT / 'configs').glob('*_wide_*.py'))}
PRM = {f'{net}_prm_coco_256x192': f'{net}_coco_256x192' for net in ('resnet18', 'resnet50', '4xresnet50')}


@cache
def config(name: str) -> Config:
    return Config.fromfile(ROOT / 'configs' / f'{name}.py')


@cache
def cost(name: str) -> Tuple[int, int, int]:
    """Parameters, conv multiply-adds, and parameters of RSBs of a config's model, built where nothing is computed."""
    cfg = config(name)
    with torch.device('meta'), torch.no_grad():
        backbone, head = (registry.MODELS.build(copy.deepcopy(cfg.model[part])).eval() for part in ('backbone', 'head'))
        net = nn.Sequential(backbone, head)
        width, height = cfg.model.head.decoder.input_size
        with counted_macs(net) as macs:
            net(torch.empty(1, 3, height, width))
    in_rsb = sum(p.numel() for m in net.modules() if isinstance(m, ResidualStepsBlock) for p in m.parameters())
    return sum(p.numel() for p in net.parameters()), sum(macs), in_rsb


class TestRows:

    @pytest.mark.parametrize('name', [*BRANCHES, *BLOCKS])
    def test_the_only_variable_is_the_unit(self, name):
        """Paper 4.1. All else, from the augmentation to the schedule, is that of the RSN of the same row."""
        rsn, difference = {**BRANCHES, **BLOCKS}[name]
        expected, actual = (copy.deepcopy(config(n)._cfg_dict.to_dict()) for n in (rsn, name))
        expected['model']['backbone'].update(difference)
        assert actual == expected

    @pytest.mark.parametrize('name', WIDE)
    def test_wide_rows_differ_by_their_expansion(self, name):
        """And by checkpointing where a step would not fit 80 GB."""
        expected, actual = (copy.deepcopy(config(n)._cfg_dict.to_dict()) for n in (WIDE[name], name))
        expected['model']['backbone'].update(dict(expansion=4, with_cp=True) if '384x288' in name else dict(expansion=4))
        assert actual == expected

    @pytest.mark.parametrize('name', PRM)
    def test_prm_is_the_only_addition(self, name):
        expected, actual = (copy.deepcopy(config(n)._cfg_dict.to_dict()) for n in (PRM[name], name))
        expected['model']['head'].update(prm='features')
        assert actual == expected
        pixels = 64 * 48
        assert cost(name)[1] - cost(PRM[name])[1] == pytest.approx(256 * 256 * 9 * pixels, rel=1e-3)

    @pytest.mark.parametrize('name', BRANCHES)
    def test_branch_counts_have_one_capacity(self, name):
        """Table 4: "keeping the model capacity unchanged". All RSBs of a model together, within 2 %."""
        four = cost(BRANCHES[name][0])[2]
        assert four > 0 and abs(cost(name)[2] / four - 1) < .02

    @pytest.mark.parametrize('num_branches', [2, 3, 5, 6])
    def test_so_has_every_single_block(self, num_branches):
        with torch.device('meta'):
            nets = RSN(depth=18), RSN(depth=18, num_branches=num_branches, match_capacity=True)
        four, other = ([sum(p.numel() for p in m.parameters()) for m in net.modules()
                        if isinstance(m, ResidualStepsBlock)] for net in nets)
        assert len(four) == len(other) == 8
        assert max(abs(b / a - 1) for a, b in zip(four, other)) < .02

    @pytest.mark.parametrize('size', [18, 50])
    def test_densenet_has_the_capacity_of_rsn(self, size):
        ours, rsn = cost(f'densenet{size}_coco_256x192'), cost(f'rsn{size}_coco_256x192')
        assert abs(ours[0] / rsn[0] - 1) < .01 and abs(ours[1] / rsn[1] - 1) < .01

    def test_order_of_printed_costs(self):
        """Table 3 prints 2.2, 2.3, 2.5 for depth 18 and 20.1, 20.6 for 4x50: the gaps between rows hold here."""
        g = {name: cost(f'{name}_coco_256x192')[1] / 1e9
             for name in ('res2net18', 'resnet18', 'rsn18', '4xres2net50', '4xresnet50')}
        assert g['resnet18'] - g['res2net18'] == pytest.approx(.1, abs=.05)
        assert g['rsn18'] - g['resnet18'] == pytest.approx(.2, abs=.05)
        assert 0 < g['4xresnet50'] - g['4xres2net50'] < 1
