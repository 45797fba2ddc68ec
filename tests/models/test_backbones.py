"""RSN and RSNEncoder: sizes, costs, norms, gradients, arguments and errors."""
import hashlib
import inspect
from functools import cache
from typing import Dict, Optional, Tuple

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from rsn_mm.models import RSN, MultiStageHead, ResidualStepsBlock, RSNEncoder

from ..counting import counted_macs

SMALL = dict(num_blocks=[1, 2], stem_channels=8)


@cache
def on_meta(depth: int, num_stages: int) -> RSN:
    """A full-size backbone on the meta device, where nothing is computed."""
    with torch.device('meta'):
        return RSN(depth=depth, num_stages=num_stages).eval()


@cache
def whole_macs(depth: int, num_stages: int, size_hw: Tuple[int, int], prm: Optional[str] = None) -> float:
    """Giga multiply-adds of backbone and all units' heads with 17 joints."""
    with torch.device('meta'), torch.no_grad():
        net = nn.Sequential(on_meta(depth, num_stages), MultiStageHead(num_stages, prm=prm).eval())
        with counted_macs(net) as macs:
            net(torch.empty(1, 3, *size_hw))
    return sum(macs) / 1e9


class TestCosts:

    @pytest.mark.parametrize('depth, num_stages, size_hw, expected', [
        (18, 1, (256, 192), 2.245),
        (50, 1, (256, 192), 4.068),
        (101, 1, (256, 192), 7.940),
        (50, 2, (256, 192), 8.215),
        (50, 3, (256, 192), 12.362),
        (50, 4, (256, 192), 16.509),
        (50, 4, (384, 288), 37.146),
    ])
    def test_macs_of_the_released_structure(self, depth, num_stages, size_hw, expected):
        """DESIGN section 4, "counted"."""
        assert whole_macs(depth, num_stages, size_hw) == pytest.approx(expected, abs=5e-4)

    @pytest.mark.parametrize('kwargs, expected', [
        (dict(depth=50), 6.960),
        (dict(depth=101), 12.919),
        (dict(depth=50, num_stages=2), 15.038),
        (dict(depth=50, num_stages=4), 31.194),
        (dict(depth=50, branch_width_from='input'), 48.5),  # the authors' exps/RSN50.coco at commit 263c8af
    ])
    def test_macs_of_the_wide_structure(self, kwargs, expected):
        with torch.device('meta'), torch.no_grad():
            net = nn.Sequential(RSN(expansion=4, **kwargs).eval(), MultiStageHead(kwargs.get('num_stages', 1)).eval())
            with counted_macs(net) as macs:
                net(torch.empty(1, 3, 256, 192))
        assert sum(macs) / 1e9 == pytest.approx(expected, abs=.05 if expected == 48.5 else 5e-4)

    @pytest.mark.parametrize('kind', [RSN, RSNEncoder])
    @pytest.mark.parametrize('width_from, widths', [(None, [26, 26, 52, 52, 104, 104, 208, 208]),
                                                    ('input', [26, 104, 104, 208, 208, 416, 416, 832])])
    def test_widths_of_wide_branches(self, kind, width_from, widths):
        with torch.device('meta'):
            net = kind(depth=18, expansion=4, branch_width_from=width_from)
        assert [m.branches[0][0].conv.out_channels for m in net.modules() if isinstance(m, ResidualStepsBlock)] == widths

    def test_capacity_of_a_wide_body_is_matched(self):
        with torch.device('meta'):
            four, *others = [[sum(p.numel() for p in m.parameters()) for m in RSN(
                depth=18, expansion=4, num_branches=n, match_capacity=n != 4).modules() if isinstance(m, ResidualStepsBlock)]
                for n in (4, 2, 3, 5, 6)]
        assert max(abs(sum(other) / sum(four) - 1) for other in others) < .01
        # Widths are whole numbers: between 256 channels, six branches of 18 have 2.3 % more than four of 26, of 17 4 % less.
        assert max(abs(b / a - 1) for other in others for a, b in zip(four, other)) < .025

    @pytest.mark.parametrize('kind, kwargs, tensors, digest', [
        (RSN, dict(depth=18), 642, 'dca58948821098de'),
        (RSN, dict(depth=50), 1218, 'fdc088b0fb014552'),
        (RSN, dict(depth=50, num_stages=4), 5016, '5f7a571fba73a432'),
        (RSN, dict(depth=18, num_branches=3, match_capacity=True), 450, '53c7fe21eadfa37c'),
        (RSN, dict(depth=50, num_branches=5, match_capacity=True), 1698, 'a47dc487099517e8'),
        (RSN, dict(depth=18, block='densenet'), 354, 'ab807c59ffb79ff4'),
        (RSN, dict(depth=18, grouped_entry=True), 642, '600ea0d12615acc2'),
        (RSNEncoder, dict(depth=50), 1176, '8d3ac790a300bd46'),
    ])
    def test_checkpoints_of_expansion_1_fit_for_good(self, kind, kwargs, tensors, digest):
        """Names and shapes of all tensors, as they were before the wide structure was there."""
        with torch.device('meta'):
            state = kind(**kwargs).state_dict()
        shapes = repr([(name, tuple(tensor.shape)) for name, tensor in state.items()])
        assert (len(state), hashlib.sha256(shapes.encode()).hexdigest()[:16]) == (tensors, digest)

    def test_results_of_expansion_1_stay(self):
        """Sums of the four units' features, as computed before the wide structure was there."""
        net = RSN(depth=18, stem_channels=16, unit_channels=16).eval()
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.copy_(torch.randn(parameter.shape) * .1)
            torch.manual_seed(1)
            sums = [unit.double().sum().item() for unit in net(torch.randn(1, 3, 64, 64))[0]]
        assert sums == pytest.approx([2.6661, 5.6552, 64.6305, 105.9679], rel=1e-3)

    @pytest.mark.parametrize('size_hw, expected', [((256, 192), 1.81), ((384, 288), 4.08)])
    def test_prm_costs_what_table_5_and_6_say(self, size_hw, expected):
        """1.8 and 4.0 GFLOPs in the paper: one conv3x3 on 256 channels at 1/4 size, all else almost free."""
        added = whole_macs(50, 1, size_hw, prm='features') - whole_macs(50, 1, size_hw)
        k = 256 * 256 * 9 * size_hw[0] * size_hw[1] / 16 / 1e9
        assert added == pytest.approx(expected, abs=.005)
        assert 0 < added - k < .001 * k

    def test_prm_on_heatmaps_costs_next_to_nothing(self):
        """MMPose's placement."""
        added = whole_macs(50, 1, (256, 192), prm='heatmaps') - whole_macs(50, 1, (256, 192))
        assert 4 * .013 < added < 4 * .014

    @pytest.mark.parametrize('depth, num_stages', [(18, 1), (50, 1), (101, 1), (50, 4)])
    def test_parameters_are_those_counted_on_paper(self, depth, num_stages):
        """Every convolution and norm of Figure 2, counted one by one."""

        def conv_bn(i: int, o: int, k: int) -> int:
            return i * o * k * k + 2 * o

        channels, unit = (64, 128, 256, 512), 256
        blocks = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}[depth]
        stage, c = 0, 64
        for level, (out, count) in enumerate(zip(channels, blocks)):
            for number in range(count):
                w = c * 26 // 64
                stage += conv_bn(c, 4 * w, 1) + 10 * conv_bn(w, w, 3) + conv_bn(4 * w, out, 1)
                stage += conv_bn(c, out, 1) if number == 0 and level > 0 else 0
                c = out
        stage += sum(conv_bn(out, unit, 1) for out in channels) + 3 * conv_bn(unit, unit, 1)
        cross = sum(conv_bn(out, out, 1) + conv_bn(unit, out, 1) for out in channels) + conv_bn(unit, 64, 1)
        built = sum(p.numel() for p in on_meta(depth, num_stages).parameters())
        assert built == conv_bn(3, 64, 7) + num_stages * stage + (num_stages - 1) * cross


VARIANTS: Dict[str, dict] = {
    'plain': dict(),
    'odd stem': dict(stem_channels=12),
    'wide units': dict(unit_channels=24),
    '3 levels': dict(num_blocks=[1, 1, 2]),
    '4 levels': dict(num_blocks=[1, 1, 1, 1]),
    '5 levels': dict(num_blocks=[1, 1, 1, 1, 1]),
    '3 stages': dict(num_stages=3),
    **{f'{n} branches': dict(num_branches=n)
       for n in (2, 3, 5, 6)},
    '6 branches, matched': dict(num_branches=6, match_capacity=True, stem_channels=16),
    'expansion 4': dict(expansion=4),
    'expansion 4, branches of the input': dict(expansion=4, branch_width_from='input'),
    'grouped entry': dict(grouped_entry=True),
    'checkpointed': dict(with_cp=True, num_stages=2),
}
NORMS = {'BN': dict(type='BN'), 'GN': dict(type='GN', num_groups=1)}


@pytest.mark.parametrize('kwargs', VARIANTS.values(), ids=VARIANTS)
class TestVariants:

    def test_every_parameter_gets_a_gradient(self, kwargs, without_gradient):
        kwargs = dict(SMALL, unit_channels=16, **kwargs) if not set(kwargs) & {'unit_channels', *SMALL} else {
            **SMALL, 'unit_channels': 16, **kwargs}
        net = RSN(**kwargs)
        features = net(torch.randn(2, 3, 128, 96))
        levels = len(kwargs['num_blocks'])
        assert [len(stage) for stage in features] == [levels] * kwargs.get('num_stages', 1)
        for stage in features:
            assert [u.shape for u in stage] == [(2, kwargs['unit_channels'], -(-128 // 2**s), -(-96 // 2**s))
                                                for s in range(levels + 1, 1, -1)]
        sum((unit * torch.randn_like(unit)).sum() for stage in features for unit in stage).backward()
        assert without_gradient(net) == []

    def test_encoder_trains(self, kwargs, without_gradient):
        kwargs = {k: v for k, v in {**SMALL, **kwargs}.items() if k not in ('unit_channels', 'num_stages')}
        levels = len(kwargs['num_blocks'])
        net = RSNEncoder(out_indices=range(levels), **kwargs)
        features = net(torch.randn(2, 3, 64, 64))
        channels = kwargs['stem_channels'] * kwargs.get('expansion', 1)
        assert [f.shape for f in features] == [(2, channels * n, 16 // n, 16 // n)
                                                for n in (2**level for level in range(levels))]
        sum((f * torch.randn_like(f)).sum() for f in features).backward()
        assert without_gradient(net) == []


class TestNorms:

    @pytest.mark.parametrize('build', [
        lambda norm_cfg: RSN(num_stages=2, norm_cfg=norm_cfg, **SMALL),
        lambda norm_cfg: RSNEncoder(out_indices=(1, ), norm_cfg=norm_cfg, **SMALL),
        lambda norm_cfg: MultiStageHead(2, norm_cfg=norm_cfg),
        lambda norm_cfg: MultiStageHead(2, prm='features', norm_cfg=norm_cfg),
    ], ids=['RSN', 'RSNEncoder', 'head', 'head with PRM'])
    @pytest.mark.parametrize('norm_cfg, kind', [
        (dict(type='GN', num_groups=1), nn.GroupNorm),
        (dict(type='SyncBN'), nn.SyncBatchNorm),
        (dict(type='IN'), nn.InstanceNorm2d),
    ])
    def test_norm_cfg_reaches_every_layer(self, build, norm_cfg, kind):

        def norms(net):
            return {name: m for name, m in net.named_modules() if isinstance(m, (_NormBase, nn.GroupNorm))}

        # ConvModule names a norm after its type: compare the layers that own one.
        def owners(net):
            return {name.rpartition('.')[0] for name in norms(net)}

        net = build(norm_cfg)
        assert {name for name, norm in norms(net).items() if not isinstance(norm, kind)} == set()
        assert owners(net) == owners(build(dict(type='BN')))

    def test_arguments_of_the_norm_reach_every_layer(self):
        net = RSN(num_stages=2, norm_cfg=dict(type='BN', momentum=.03, eps=.01), **SMALL)
        assert {(m.momentum, m.eps) for m in net.modules() if isinstance(m, _BatchNorm)} == {(.03, .01)}

    def test_norm_cfg_is_not_modified(self):
        norm_cfg = dict(type='BN', requires_grad=True)
        RSN(norm_cfg=norm_cfg, **SMALL)
        assert norm_cfg == dict(type='BN', requires_grad=True)


@pytest.mark.parametrize('kind', [RSN, RSNEncoder])
class TestArguments:
    # A value for each argument that must change something.
    OTHER = dict(
        depth=dict(depth=50, num_blocks=None),
        num_stages=dict(num_stages=2),
        num_blocks=dict(num_blocks=[2, 2]),
        block=dict(block='resnet'),
        num_branches=dict(num_branches=3),
        stem_channels=dict(stem_channels=16),
        unit_channels=dict(unit_channels=16),
        expansion=dict(expansion=4),
        match_capacity=dict(num_branches=3, match_capacity=True),
        branch_width_from=dict(branch_width_from='bottleneck'),
        grouped_entry=dict(grouped_entry=True),
        with_cp=dict(with_cp=True),
        norm_cfg=dict(norm_cfg=dict(type='GN', num_groups=1)),
        init_cfg=dict(init_cfg=dict(type='Constant', layer='Conv2d', val=.5)),
        out_indices=dict(out_indices=(0, )),
        frozen_stages=dict(frozen_stages=1),
        norm_eval=dict(norm_eval=True))
    BESIDE = dict(match_capacity=dict(num_branches=3), depth=dict(depth=18, num_blocks=None))

    def test_every_argument_is_alive(self, kind, saved_tensors):

        def fingerprint(**kwargs):
            torch.manual_seed(0)
            given = dict(SMALL, **(dict(out_indices=(1, )) if kind is RSNEncoder else {}))
            net = kind(**{**given, **kwargs})
            net.init_weights()
            net.train()
            return (str(net), saved_tensors(lambda: net(torch.randn(2, 3, 64, 64))),
                    [p.detach().double().sum().item() for p in net.parameters()],
                    [p.requires_grad for p in net.parameters()], [m.training for m in net.modules()])

        for name in inspect.signature(kind).parameters:
            assert fingerprint(**self.BESIDE.get(name, {})) != fingerprint(**self.OTHER[name]), name

    def test_initial_weights(self, kind):
        """Kaiming normal convolutions and unit norms, as the authors do."""
        net = kind(depth=18)
        net.init_weights()
        for m in net.modules():
            if isinstance(m, nn.Conv2d) and m.weight.numel() > 50000:
                fan_out = m.weight[:, 0].numel()
                assert m.weight.std().item() == pytest.approx((2 / fan_out)**.5, rel=.02)
                assert m.weight.abs().max() > 3 * m.weight.std(), 'normal, not uniform'
            elif isinstance(m, _BatchNorm):
                assert (m.weight == 1).all() and (m.bias == 0).all()

    def test_eval_and_train_can_be_chained(self, kind):
        """MMPose's BaseBackbone.train() returns None."""
        net = kind(**SMALL) if kind is RSN else kind(out_indices=(1, ), **SMALL)
        assert net.eval().train().eval() is net

    def test_depth(self, kind):
        with pytest.raises(ValueError, match=r'depth=34 is not a depth of RSN: .* one of \[18, 50, 101\].*num_blocks'):
            kind(depth=34)

    @pytest.mark.parametrize('num_blocks', [[], [2, 0], [2, 1.5]])
    def test_num_blocks(self, kind, num_blocks):
        with pytest.raises(ValueError, match=r'num_blocks=\[.*\] must list at least one block for every level'):
            kind(num_blocks=num_blocks)

    @pytest.mark.parametrize('name', ['stem_channels', 'expansion', 'unit_channels', 'num_stages'])
    @pytest.mark.parametrize('value', [0, -1, 2.0])
    def test_positive(self, kind, name, value):
        if name not in inspect.signature(kind).parameters:
            return
        with pytest.raises(ValueError, match=rf'{name}={value} must be an integer of at least 1'):
            kind(**{name: value})

    def test_branch_count(self, kind):
        with pytest.raises(ValueError, match=r'num_branches=7 .* from 2 to 6'):
            kind(num_branches=7)

    @pytest.mark.parametrize('match_capacity', [False, True])
    @pytest.mark.parametrize('expansion', [1, 4])
    def test_stem_too_narrow_for_branches(self, kind, expansion, match_capacity):
        with pytest.raises(ValueError, match=r'branch_width=0 leaves nothing to convolve.*in_channels=2'):
            kind(stem_channels=2, expansion=expansion, num_branches=3, match_capacity=match_capacity)


def test_an_hourglass_needs_two_levels():
    with pytest.raises(ValueError, match=r'num_blocks=\[3\] gives 1 level.*RSNEncoder'):
        RSN(num_blocks=[3])
