"""The Residual Steps Block against Tables 1 and 2 of the paper and against a slow reading of section 3.1."""
from typing import Dict, List, Set, Tuple

import pytest
import torch
from torch import Tensor, nn

from rsn_mm.models import ResidualStepsBlock
from rsn_mm.models.blocks import branch_width, default_branch_width, matched_branch_width

SIZE = 33  # wider than the largest receptive field, 23 of six branches
# Paper Table 1: receptive fields that meet in y_(i,j), the output of step j of branch i.
TABLE_1 = {
    (1, 1): {3},
    (2, 1): {3, 5},
    (2, 2): {5, 7},
    (3, 1): {3, 5, 7},
    (3, 2): {5, 7, 9},
    (3, 3): {7, 9, 11},
    (4, 1): {3, 5, 7, 9},
    (4, 2): {5, 7, 9, 11},
    (4, 3): {7, 9, 11, 13},
    (4, 4): {9, 11, 13, 15},
}
# Paper Table 2, row RSN: receptive fields of y_1 .. y_4.
TABLE_2 = [{3}, {5, 7}, {7, 9, 11}, {9, 11, 13, 15}]


class BlockWithoutCrossConnections(ResidualStepsBlock):
    """No branch receives anything from the one above it."""

    def refine(self, splits):
        y = []
        for split, branch in zip(splits, self.branches):
            for step in branch:
                split = step(split)
            y.append(split)
        return y


def widths_of_support(gradients: Tuple[Tensor, ...]) -> Set[int]:
    """Side of the square in which each gradient (1, 1, H, W) is not zero; what has no gradient is left out."""
    sides = set()
    for gradient in gradients:
        if gradient is None or not gradient.any():
            continue
        rows, columns = gradient[0, 0].nonzero(as_tuple=True)
        height, width = (int(index.max() - index.min()) + 1 for index in (rows, columns))
        assert height == width
        sides.add(height)
    return sides


def receptive_fields(block: ResidualStepsBlock) -> Tuple[Dict[Tuple[int, int], Set[int]], List[Set[int]]]:
    """Receptive fields of every step (i, j), counted from 1, and of y_1 .. y_N, by gradients of the built block."""
    for parameter in block.parameters():
        nn.init.ones_(parameter)  # nothing cancels, and no ReLU is ever shut
    steps: Dict[Tuple[int, int], Tensor] = {}
    for i, branch in enumerate(block.eval().branches, 1):
        for j, step in enumerate(branch, 1):
            step.register_forward_hook(lambda module, inputs, output, key=(i, j): steps.__setitem__(key, output))
    splits = [torch.ones(1, 1, SIZE, SIZE, requires_grad=True) for _ in range(block.num_branches)]
    y = block.refine(splits)

    def field(output: Tensor) -> Set[int]:
        centre = output[0, 0, SIZE // 2, SIZE // 2]
        return widths_of_support(torch.autograd.grad(centre, splits, retain_graph=True, allow_unused=True))

    return {key: field(output) for key, output in steps.items()}, [field(output) for output in y]


def small_block(num_branches: int, kind=ResidualStepsBlock) -> ResidualStepsBlock:
    return kind(8, 8, num_branches=num_branches, branch_width=1)


class TestReceptiveFields:

    def test_table_1(self):
        assert receptive_fields(small_block(4))[0] == TABLE_1

    def test_table_2(self):
        assert receptive_fields(small_block(4))[1] == TABLE_2

    @pytest.mark.parametrize('num_branches', [2, 3, 4, 5, 6])
    def test_general_rule(self, num_branches):
        """What split k brings to step j of branch i has come through j + (i - k) conv3x3."""
        expected = {(i, j): {3 + 2 * (j - 1) + 2 * (i - k)
                             for k in range(1, i + 1)}
                    for i in range(1, num_branches + 1) for j in range(1, i + 1)}
        steps, y = receptive_fields(small_block(num_branches))
        assert steps == expected
        assert y == [expected[i, i] for i in range(1, num_branches + 1)]

    def test_cross_connections_make_the_tables(self):
        """The measurement tells a block without them apart: one receptive field a branch, as OSNet has in Table 2."""
        steps, y = receptive_fields(small_block(4, BlockWithoutCrossConnections))
        assert y == [{3}, {5}, {7}, {9}]
        assert steps != TABLE_1


def slow_block(block: ResidualStepsBlock, x: Tensor) -> Tensor:
    """Section 3.1 word by word, with o[i][j] for step j of branch i."""
    n = block.num_branches
    s = block.entry(x).split(block.exit.conv.in_channels // n, dim=1)
    o = [[None] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            x_ij = s[i] if j == 0 else o[i][j - 1]
            if j < i:
                x_ij = x_ij + o[i - 1][j]
            o[i][j] = block.branches[i][j](x_ij)
    y = torch.cat([o[i][i] for i in range(n)], dim=1)
    return torch.relu(block.exit(y) + block.shortcut(x))


class TestBlock:

    @pytest.mark.parametrize('num_branches', [2, 3, 4, 5, 6])
    @pytest.mark.parametrize('out_channels, stride', [(12, 1), (20, 1), (20, 2), (12, 2)])
    def test_equals_slow_reading_of_section_3_1(self, num_branches, out_channels, stride):
        block = ResidualStepsBlock(12, out_channels, num_branches=num_branches, stride=stride).eval()
        x = torch.randn(2, 12, 7, 9)
        with torch.no_grad():
            torch.testing.assert_close(block(x), slow_block(block, x), rtol=1e-6, atol=1e-6)

    def test_output_shape_with_odd_size(self):
        assert ResidualStepsBlock(12, 20, stride=2)(torch.randn(2, 12, 7, 9)).shape == (2, 20, 4, 5)

    def test_identity_has_weights_only_where_the_shape_changes(self):
        assert isinstance(ResidualStepsBlock(12, 12).shortcut, nn.Identity)
        assert ResidualStepsBlock(12, 12, stride=2).shortcut.conv.stride == (2, 2)
        assert ResidualStepsBlock(12, 20).shortcut.conv.out_channels == 20

    def test_stride_is_in_the_first_conv1x1(self):
        block = ResidualStepsBlock(12, 12, stride=2)
        assert block.entry.conv.kernel_size == (1, 1) and block.entry.conv.stride == (2, 2)
        assert all(step.conv.stride == (1, 1) for branch in block.branches for step in branch)

    def test_dense_entry_feeds_every_split_from_all_channels(self):
        assert self.inputs_of_first_split(grouped_entry=False) == list(range(12))

    def test_grouped_entry_feeds_a_split_from_its_own_channels(self):
        """Section 3.1: "firstly divides the features into four splits, then implements a conv1x1 separately"."""
        assert self.inputs_of_first_split(grouped_entry=True) == [0, 1, 2]

    @staticmethod
    def inputs_of_first_split(grouped_entry: bool) -> List[int]:
        block = ResidualStepsBlock(12, 12, grouped_entry=grouped_entry).eval()
        nn.init.ones_(block.entry.conv.weight)
        x = torch.ones(1, 12, 1, 1, requires_grad=True)
        block.entry(x).chunk(4, dim=1)[0].sum().backward()
        return x.grad.flatten().nonzero().flatten().tolist()


class TestWidth:

    @pytest.mark.parametrize('channels, width', [(64, 26), (128, 52), (256, 104), (512, 208)])
    def test_default_is_26_per_64_channels(self, channels, width):
        assert default_branch_width(channels) == width
        assert ResidualStepsBlock(channels, channels).branches[0][0].conv.out_channels == width

    @pytest.mark.parametrize('in_channels, out_channels', [(64, 64), (64, 128), (64, 256)])
    @pytest.mark.parametrize('num_branches', [2, 3, 4, 5, 6])
    def test_matched_width_keeps_the_capacity_of_four_branches(self, in_channels, out_channels, num_branches):
        """Table 4 compares branch counts at equal capacity: no other width comes closer, counted on built blocks."""

        def weights(branches: int, width: int) -> int:
            block = ResidualStepsBlock(in_channels, out_channels, branches, branch_width=width)
            return sum(m.weight.numel() for name, m in block.named_modules()
                       if isinstance(m, nn.Conv2d) and 'shortcut' not in name)

        target = weights(4, default_branch_width(in_channels))
        width = matched_branch_width(in_channels, out_channels, num_branches)
        off = {w: abs(weights(num_branches, w) - target) for w in (width - 1, width, width + 1)}
        assert min(off, key=off.get) == width
        assert off[width] < .05 * target

    @pytest.mark.parametrize('in_channels, out_channels, expansion, width_from, width', [
        (64, 128, 1, None, 26), (128, 128, 1, None, 52),  # as released: of the input, in the first block of a level too
        (64, 256, 4, None, 26), (256, 256, 4, None, 26), (256, 512, 4, None, 52), (2048, 2048, 4, None, 208),
        (64, 256, 4, 'input', 26), (256, 256, 4, 'input', 104), (256, 512, 4, 'input', 104), (2048, 2048, 4, 'input', 832),
        (64, 128, 1, 'bottleneck', 52), (64, 128, 2, None, 26),
    ])
    def test_rules(self, in_channels, out_channels, expansion, width_from, width):
        assert branch_width(in_channels, out_channels, expansion, width_from) == width

    def test_unknown_rule(self):
        with pytest.raises(ValueError, match="branch_width_from='output' is not known: give one of input, bottleneck"):
            branch_width(64, 64, 1, 'output')

    @pytest.mark.parametrize('num_branches, width', [(2, 49), (4, 26)])
    def test_matched_width_of_a_wide_block(self, num_branches, width):
        """256 to 256 channels: four branches of 26 have 114,088 weights, two of 49 have 115,003, two of 48 111,360."""
        assert matched_branch_width(256, 256, num_branches, four=26) == width

    def test_matched_width_of_four_branches_is_the_default(self):
        assert matched_branch_width(64, 64, 4) == 26


class TestErrors:

    @pytest.mark.parametrize('num_branches', [1, 7, 0, None, 4.5])
    def test_branch_count(self, num_branches):
        for wrong in (lambda: ResidualStepsBlock(12, 12, num_branches=num_branches),
                      lambda: matched_branch_width(64, 64, num_branches)):
            with pytest.raises(ValueError, match=r'num_branches=.* from 2 to 6'):
                wrong()

    def test_no_width_left(self):
        with pytest.raises(ValueError, match=r'branch_width=0 .*in_channels=2.*stem_channels.*set branch_width'):
            ResidualStepsBlock(2, 2)

    def test_grouped_entry_that_does_not_divide(self):
        with pytest.raises(ValueError, match=r'grouped_entry=True splits in_channels=12 into num_branches=5.*=False'):
            ResidualStepsBlock(12, 12, num_branches=5, grouped_entry=True)
