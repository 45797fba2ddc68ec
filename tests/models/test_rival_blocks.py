"""The units of ResNet, Res2Net and DenseNet, alone and in RSN's body, against their papers and stock code."""
import re
from typing import Callable, Dict, List, Sequence, Set, Tuple

import pytest
import torch
from mmdet.models.backbones.res2net import Bottle2neck
from mmpose.models.backbones import MSPN
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from rsn_mm.models import RSN, DenseNetBlock, Res2NetBlock, ResidualStepsBlock, ResNetBlock, RSNEncoder

RIVALS = {'resnet': ResNetBlock, 'res2net': Res2NetBlock, 'densenet': DenseNetBlock}
SIZE = 15  # wider than the largest receptive field, 9


def conv_weights(module: nn.Module) -> int:
    return sum(m.weight.numel() for name, m in module.named_modules()
               if isinstance(m, nn.Conv2d) and 'shortcut' not in name)


def randomise_norms(module: nn.Module) -> None:
    """As after training: no two alike, so that no mix-up stays unseen."""
    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            layer.running_mean.normal_(0, .1)
            layer.running_var.uniform_(.5, 1.5)
            nn.init.uniform_(layer.weight, .5, 1.5)
            nn.init.normal_(layer.bias, 0, .1)


def ones(block: nn.Module) -> nn.Module:
    for parameter in block.parameters():
        nn.init.ones_(parameter)  # nothing cancels, and no ReLU is ever shut
    return block.eval()


def supports(output: Tensor, inputs: Sequence[Tensor]) -> Set[int]:
    """Sides of the squares of each input that the centre of the output sees."""
    gradients = torch.autograd.grad(output[0, 0, SIZE // 2, SIZE // 2], inputs, retain_graph=True, allow_unused=True)
    sides = set()
    for gradient in gradients:
        if gradient is not None and gradient.any():
            rows, columns = gradient[0, 0].nonzero(as_tuple=True)
            height, width = (int(index.max() - index.min()) + 1 for index in (rows, columns))
            assert height == width
            sides.add(height)
    return sides


def images(number: int) -> List[Tensor]:
    return [torch.ones(1, 1, SIZE, SIZE, requires_grad=True) for _ in range(number)]


class TestReceptiveFields:

    def test_res2net_as_table_2(self):
        splits = images(4)
        y = ones(Res2NetBlock(4, 4, width=1)).refine(splits)
        assert [supports(one, splits) for one in y] == [{1}, {3}, {3, 5}, {3, 5, 7}]

    def test_resnet_as_table_2(self):
        x, = images(1)
        assert supports(ones(ResNetBlock(1, 1, width=1))(x), [x]) == {3}

    def test_densenet(self):
        """Each y takes in every one before it through a single conv3x3, and so all fields up to its own."""
        y0, = images(1)
        y = ones(DenseNetBlock(1, 1, width=1)).refine(y0)
        assert [supports(one, [y0]) for one in y[1:]] == [{3}, {5}, {7}, {9}]
        assert [supports(y[4], [earlier]) for earlier in y[:4]] == [{9}, {7}, {5}, {3}]


def slow_transform(block: nn.Module, x: Tensor) -> Tensor:
    """Each unit as its paper says it, with plain indices."""
    if isinstance(block, ResNetBlock):
        return block.exit(block.middle(block.entry(x)))
    x = block.entry(x)
    if isinstance(block, Res2NetBlock):
        w = x.shape[1] // 4
        s = [x[:, i * w:(i + 1) * w] for i in range(4)]
        k2, k3, k4 = block.branches
        y2 = k2(s[1])
        y3 = k3(s[2] + y2)
        return block.exit(torch.cat([s[0], y2, y3, k4(s[3] + y3)], dim=1))
    made = x
    for layer in block.layers:
        made = torch.cat([made, layer(made)], dim=1)
    return block.exit(made)


@pytest.mark.parametrize('kind', RIVALS.values(), ids=RIVALS)
class TestEveryRival:

    @pytest.mark.parametrize('out_channels, stride', [(64, 1), (80, 1), (80, 2), (64, 2)])
    def test_equals_slow_reading(self, kind, out_channels, stride):
        block = kind(64, out_channels, stride=stride)
        randomise_norms(block)
        x = torch.randn(2, 64, 7, 9)
        with torch.no_grad():
            expected = torch.relu(slow_transform(block.eval(), x) + block.shortcut(x))
            torch.testing.assert_close(block(x), expected, rtol=1e-6, atol=1e-6)

    def test_identity_has_weights_only_where_the_shape_changes(self, kind):
        assert isinstance(kind(64, 64).shortcut, nn.Identity)
        assert kind(64, 64, stride=2).shortcut.conv.stride == (2, 2)
        assert kind(64, 80).shortcut.conv.out_channels == 80

    def test_sizes_are_rounded_up(self, kind):
        assert kind(64, 80, stride=2)(torch.randn(2, 64, 7, 9)).shape == (2, 80, 4, 5)

    def test_smallest_map_and_empty_batch(self, kind):
        block = kind(64, 80, stride=2).eval()
        assert block(torch.randn(1, 64, 1, 1)).shape == (1, 80, 1, 1)
        assert block(torch.randn(0, 64, 8, 8)).shape == (0, 80, 4, 4)

    def test_checkpointing_changes_memory_alone(self, kind, saved_tensors):
        plain, recomputed = kind(64, 64), kind(64, 64, with_cp=True)
        recomputed.load_state_dict(plain.state_dict())
        x = torch.randn(2, 64, 8, 8, requires_grad=True)
        assert saved_tensors(lambda: recomputed(x)) < saved_tensors(lambda: plain(x))
        recomputed.load_state_dict(plain.state_dict())
        for block in (plain, recomputed):
            block(x).square().sum().backward()
        for (name, one), other in zip(plain.named_parameters(), recomputed.parameters()):
            torch.testing.assert_close(one.grad, other.grad, msg=name)
        for one, other in zip(plain.buffers(), recomputed.buffers()):
            torch.testing.assert_close(one, other)

    def test_norm_cfg_reaches_every_layer(self, kind):
        block = kind(64, 80, norm_cfg=dict(type='GN', num_groups=1))
        assert not any(isinstance(m, _NormBase) for m in block.modules())
        assert sum(isinstance(m, nn.GroupNorm) for m in block.modules()) == sum(
            isinstance(m, nn.Conv2d) for m in block.modules())

    def test_no_width_left(self, kind):
        with pytest.raises(ValueError, match=rf'width=0 .* in a {kind.__name__} from 8 to 4 channels: .*at least 1'):
            kind(8, 4, width=0)


class TestWidths:

    @pytest.mark.parametrize('out_channels, expansion, width', [(64, 1, 64), (256, 4, 64), (2048, 4, 512)])
    def test_resnet(self, out_channels, expansion, width):
        assert ResNetBlock.default_width(64, out_channels, expansion) == width

    @pytest.mark.parametrize('out_channels, expansion, width',
                             [(256, 4, 26), (2048, 4, 208), (64, 1, 32), (512, 1, 256)])
    def test_res2net(self, out_channels, expansion, width):
        """26w x 4s with expansion 4, as Res2Net-50."""
        assert Res2NetBlock.default_width(64, out_channels, expansion) == width

    @pytest.mark.parametrize('expansion', [1, 2, 4])
    def test_res2net_comes_closest_to_the_bottleneck(self, expansion):
        channels = 64 * expansion

        def off(width: int) -> int:
            bottleneck = ResNetBlock(channels, channels, width=64)
            return abs(conv_weights(Res2NetBlock(channels, channels, width=width)) - conv_weights(bottleneck))

        width = Res2NetBlock.default_width(channels, channels, expansion)
        assert width % 2 == 0 and off(width) < min(off(width - 2), off(width + 2))

    @pytest.mark.parametrize('in_channels, out_channels', [(64, 64), (64, 128), (128, 128)])
    def test_densenet_comes_closest_to_rsb(self, in_channels, out_channels):
        target = conv_weights(ResidualStepsBlock(in_channels, out_channels))
        width = DenseNetBlock.default_width(in_channels, out_channels)
        off = {w: abs(conv_weights(DenseNetBlock(in_channels, out_channels, width=w)) - target)
               for w in (width - 1, width, width + 1)}
        assert min(off, key=off.get) == width
        assert off[width] < .03 * target

    @pytest.mark.parametrize('in_channels, out_channels', [(64, 256), (256, 256), (256, 512)])
    def test_wide_densenet_comes_closest_to_wide_rsb(self, in_channels, out_channels):
        rsb = RSN(num_blocks=[2, 1], expansion=4).body.stages[0].down.levels
        block = next(b for level in rsb for b in level
                     if (b.entry.conv.in_channels, b.exit.conv.out_channels) == (in_channels, out_channels))
        width = DenseNetBlock.default_width(in_channels, out_channels, 4)
        off = {w: abs(conv_weights(DenseNetBlock(in_channels, out_channels, width=w)) - conv_weights(block))
               for w in (width - 1, width, width + 1)}
        assert min(off, key=off.get) == width

    @pytest.mark.parametrize('block, expansion', [('resnet', 4), ('res2net', 4), ('densenet', 1)])
    def test_default_expansion(self, block, expansion):
        """That of the paper's deep rows: those of MSPN and Res2Net, and RSN's as released."""
        kind = RIVALS[block]
        assert str(kind(256, 256)) == str(kind(256, 256, width=kind.default_width(256, 256, expansion)))


# Stock MMPose's names of MSPN's layers, mapped by hand to ours.
IN_STAGE = r'^multi_stage_mspn\.(\d+)\.'
RULES: List[Tuple[str, object]] = [
    (r'^top\.top\.0\.', 'body.stem.0.'),
    (IN_STAGE + r'downsample\.layer(\d)\.(\d+)\.',
     lambda m: f'body.stages.{m[1]}.down.levels.{int(m[2]) - 1}.{m[3]}.'),
    (IN_STAGE + r'upsample\.up(\d)\.in_skip\.', lambda m: f'body.stages.{m[1]}.up.units.{int(m[2]) - 1}.from_level.'),
    (IN_STAGE + r'upsample\.up(\d)\.up_conv\.', lambda m: f'body.stages.{m[1]}.up.units.{int(m[2]) - 1}.from_below.'),
    (IN_STAGE + r'upsample\.up(\d)\.out_skip1\.',
     lambda m: f'body.stages.{m[1]}.cross.from_levels.{4 - int(m[2])}.'),
    (IN_STAGE + r'upsample\.up(\d)\.out_skip2\.', lambda m: f'body.stages.{m[1]}.cross.from_units.{4 - int(m[2])}.'),
    (IN_STAGE + r'upsample\.up4\.cross_conv\.', lambda m: f'body.stages.{m[1]}.cross.to_next.'),
    (r'\.downsample\.', '.shortcut.'),
    *[(rf'\.conv{i}\.weight$', f'.{part}.conv.weight') for i, part in enumerate(['entry', 'middle', 'exit'], 1)],
    *[(rf'\.bn{i}\.', f'.{part}.bn.') for i, part in enumerate(['entry', 'middle', 'exit'], 1)],
]


def renamed(state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    result = {}
    for name, tensor in state.items():
        for pattern, replacement in RULES:
            name = re.sub(pattern, replacement, name)
        result[name] = tensor
    return result


class TestAgainstStock:

    @pytest.mark.parametrize('num_stages', [1, 2])
    def test_rsn_of_resnet_blocks_is_mspn(self, num_stages):
        # Double precision: the sums over the blocks of two stages grow to hundreds.
        stock = MSPN(num_stages=num_stages, num_blocks=[3, 4, 6, 3]).double()
        ours = RSN(depth=50, num_stages=num_stages, block='resnet', expansion=4).double()
        randomise_norms(stock)
        ours.load_state_dict(renamed(stock.state_dict()))
        stock.train(False)  # eval() of stock's backbones returns None
        image = torch.randn(2, 3, 64, 96, dtype=torch.float64)
        with torch.no_grad():
            expected = tuple(tuple(stage) for stage in stock(image))
            torch.testing.assert_close(ours.eval()(image), expected, rtol=0, atol=1e-10)

    def test_res2net_block(self):
        """Where nothing is strided, the unit is MMDetection's, whose LAST split is the one that passes."""
        stock = Bottle2neck(256, 64, scales=4, base_width=26, stage_type='normal')
        randomise_norms(stock)
        state = {}
        for name, tensor in stock.state_dict().items():
            name = re.sub(r'^convs\.(\d)\.', r'branches.\1.conv.', re.sub(r'^bns\.(\d)\.', r'branches.\1.bn.', name))
            name = re.sub(r'^conv1\.', 'entry.conv.', re.sub(r'^bn1\.', 'entry.bn.', name))
            name = re.sub(r'^conv3\.', 'exit.conv.', re.sub(r'^bn3\.', 'exit.bn.', name))
            if name.startswith('entry') and tensor.ndim > 0:
                tensor = tensor.roll(26, dims=0)
            elif name == 'exit.conv.weight':
                tensor = tensor.roll(26, dims=1)
            state[name] = tensor
        ours = Res2NetBlock(256, 256)
        ours.load_state_dict(state)
        x = torch.randn(2, 256, 6, 5)
        with torch.no_grad():
            torch.testing.assert_close(ours.eval()(x), stock.eval()(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('kind', [RSN, RSNEncoder])
class TestInBothBackbones:
    SMALL = dict(num_blocks=[1, 2], stem_channels=16)

    def make(self, kind: Callable[..., nn.Module], **kwargs: object) -> nn.Module:
        return kind(**dict(self.SMALL, **(dict(out_indices=(0, 1)) if kind is RSNEncoder else {}), **kwargs))

    @pytest.mark.parametrize('expansion', [1, 4])
    @pytest.mark.parametrize('block', RIVALS)
    def test_every_parameter_gets_a_gradient(self, kind, block, expansion, without_gradient):
        net = self.make(kind, block=block, expansion=expansion)
        features = net(torch.randn(2, 3, 64, 96))
        features = [unit for stage in features for unit in stage] if kind is RSN else features
        assert len(features) == 2
        sum((feature * torch.randn_like(feature)).sum() for feature in features).backward()
        assert without_gradient(net) == []

    @pytest.mark.parametrize('block', RIVALS)
    def test_all_units_are_of_the_kind(self, kind, block):
        net = self.make(kind, block=block, with_cp=True)
        found = [m for m in net.modules() if isinstance(m, tuple(RIVALS.values()) + (ResidualStepsBlock, ))]
        assert len(found) == 3 and {type(m) for m in found} == {RIVALS[block]} and all(m.with_cp for m in found)

    def test_default_is_the_papers(self, kind):
        assert str(self.make(kind)) == str(self.make(kind, block='rsb'))

    @pytest.mark.parametrize('block', ['rsn', 'ResNet', None])
    def test_unknown_block(self, kind, block):
        with pytest.raises(ValueError, match=r"block=.* one of \['densenet', 'res2net', 'resnet', 'rsb'\]"):
            self.make(kind, block=block)

    @pytest.mark.parametrize('block', RIVALS)
    @pytest.mark.parametrize('argument', [dict(num_branches=3), dict(match_capacity=True), dict(grouped_entry=True)])
    def test_arguments_of_rsb_alone(self, kind, block, argument):
        name, value = next(iter(argument.items()))
        with pytest.raises(ValueError, match=rf"block='{block}' has no use for {name}={value}: .*block='rsb'"):
            self.make(kind, block=block, **argument)
