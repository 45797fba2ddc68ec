"""The constituent unit of RSN: the Residual Steps Block (paper section 3.1, Figure 2(c))."""
from typing import Iterable, List, Optional, Sequence, cast

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .checkpointing import checkpoint

NUM_BRANCHES_ALLOWED = range(2, 7)
# What the width of a branch can be a share of: see :func:`branch_width`.
BRANCH_WIDTH_FROM = ('input', 'bottleneck')


class ResidualStepsBlock(nn.Module):
    r"""Residual Steps Block (RSB): branch i refines its split of the features in i steps of conv3x3.

    Every step but the last of a branch also receives what the branch above it made at the same step::

        x -- conv1x1 --+-- s1 --[1,1]------------------------------------> y1 --+
                       |           |                                            |
                       +-- s2 --+--[2,1]--[2,2]--------------------------> y2 --+
                       |           |       |                                    +-- concat -- conv1x1 --(+)-- ReLU
                       +-- s3 --+--[3,1]-+-[3,2]--[3,3]------------------> y3 --+                        |
                       |           |       |       |                            |                        |
                       +-- s4 --+--[4,1]-+-[4,2]-+-[4,3]--[4,4]----------> y4 --+                        |
        |                                                                                                |
        +---------------------------- identity (conv1x1 where the shape changes) ------------------------+

        [i,j] = conv3x3-BN-ReLU of  [i,j-1] (s_i if j = 1)  plus, if j < i,  [i-1,j]

    So y_i sees the block's input through 3x3 convolutions of several depths at once: receptive fields {3}, {5,7},
    {7,9,11}, {9,11,13,15} for four branches (paper Tables 1 and 2).

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        num_branches (int): Branches N, 2 to 6. The paper finds 4 best (Table 4). Defaults to 4.
        stride (int): Stride of the first conv1x1. Defaults to 1.
        branch_width (int, optional): Channels w of one branch. Defaults to ``in_channels * 26 // 64``; a body of another
            expansion than 1 gives what :func:`branch_width` says.
        grouped_entry (bool): The paper's text splits first and gives each split a conv1x1 of its own; the authors'
            released code, and so every public checkpoint, has one dense conv1x1. True follows the text, False the
            code. Defaults to False.
        with_cp (bool): Recompute the block in the backward pass instead of keeping its activations. Defaults to False.
        norm_cfg (dict): Config of every normalisation layer. Defaults to ``dict(type='BN')``.

    Shape:
        - Input: (B, in_channels, H, W)
        - Output: (B, out_channels, ceil(H / stride), ceil(W / stride))

    Raises:
        ValueError: if ``num_branches`` is not in 2..6, a width is not positive, or ``grouped_entry`` is asked for
            with ``in_channels`` that ``num_branches`` does not divide.

    Source: paper section 3.1; widths and the dense conv1x1 follow the authors' ``network.py`` (without its convolution
    biases, which the normalisation that follows makes redundant).
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 num_branches: int = 4,
                 stride: int = 1,
                 branch_width: Optional[int] = None,
                 grouped_entry: bool = False,
                 with_cp: bool = False,
                 norm_cfg: dict = dict(type='BN')) -> None:
        super().__init__()
        width = default_branch_width(in_channels) if branch_width is None else branch_width
        _check(in_channels, num_branches, width, grouped_entry)
        self.num_branches = num_branches
        self.with_cp = with_cp

        self.entry = ConvModule(
            in_channels,
            num_branches * width,
            kernel_size=1,
            stride=stride,
            groups=num_branches if grouped_entry else 1,
            norm_cfg=norm_cfg)
        self.branches = cast('Sequence[Sequence[ConvModule]]', nn.ModuleList(
            nn.ModuleList(ConvModule(width, width, kernel_size=3, padding=1, norm_cfg=norm_cfg) for _ in range(num_steps))
            for num_steps in range(1, num_branches + 1)))
        self.exit = ConvModule(num_branches * width, out_channels, kernel_size=1, norm_cfg=norm_cfg, act_cfg=None)
        self.shortcut = shortcut(in_channels, out_channels, stride, norm_cfg)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self, self._forward, x) if self.with_cp else self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        splits = self.entry(x).chunk(self.num_branches, dim=1)
        y = self.refine(splits)
        return self.relu(self.exit(torch.cat(y, dim=1)) + self.shortcut(x))

    def refine(self, splits: Sequence[Tensor]) -> List[Tensor]:
        """Take every split through the steps of its branch.

        Args:
            splits (Sequence[Tensor]): s_1 .. s_N, each (B, w, H, W).

        Returns:
            List[Tensor]: y_1 .. y_N, the output of each branch's last step, each (B, w, H, W).
        """
        y = []
        above: List[Tensor] = []  # the steps of the branch above; the first branch has none
        for split, branch in zip(splits, self.branches):
            feature, steps = split, []
            for j, step in enumerate(branch):
                feature = step(feature + above[j] if j < len(above) else feature)
                steps.append(feature)
            y.append(feature)
            above = steps
        return y


def shortcut(in_channels: int, out_channels: int, stride: int, norm_cfg: dict) -> nn.Module:
    """The identity connection of a block: conv1x1-BN where the shape changes, nothing elsewhere."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return ConvModule(in_channels, out_channels, kernel_size=1, stride=stride, norm_cfg=norm_cfg, act_cfg=None)


def default_branch_width(in_channels: int) -> int:
    """Channels of one branch in the released code: 26 per 64 channels of the block's input."""
    return in_channels * 26 // 64


def branch_width(in_channels: int, out_channels: int, expansion: int = 1, width_from: Optional[str] = None) -> int:
    """Channels of one branch in a body whose levels have ``expansion`` times the channels of the released one.

    ``'input'``: 26 per 64 channels of the block's input, as in the authors' code, at any expansion. ``'bottleneck'``: 26
    per 64 channels of the bottleneck's width, ``out_channels // expansion``, as Res2Net counts its "26w". None: the
    released rule, ``'input'``, at expansion 1, and ``'bottleneck'`` above.

    Raises:
        ValueError: if ``width_from`` is none of these.
    """
    if width_from is None:
        width_from = 'input' if expansion == 1 else 'bottleneck'
    if width_from not in BRANCH_WIDTH_FROM:
        raise ValueError(f'branch_width_from={width_from!r} is not known: give one of {", ".join(BRANCH_WIDTH_FROM)}, or None '
                         'for the released rule at expansion 1 and that of bottlenecks above.')
    return default_branch_width(in_channels if width_from == 'input' else out_channels // expansion)


def matched_branch_width(in_channels: int, out_channels: int, num_branches: int, four: Optional[int] = None) -> int:
    """Branch width w at which a block of N branches has as many weights as the one of four (paper Table 4).

    Counted are the weights that depend on w: conv1x1 in (in_channels * N w), N (N + 1) / 2 conv3x3 (9 w^2 each), and
    conv1x1 out (N w * out_channels). ``four``: branch width of the block of four; by default the released code's. Where that
    is 0, so is w.

    Raises:
        ValueError: if ``num_branches`` is not in 2..6.
    """
    _check_num_branches(num_branches)
    if four is None:
        four = default_branch_width(in_channels)

    def weights(branches: int, width: int) -> int:
        return branches * width * (in_channels + out_channels) + branches * (branches + 1) // 2 * 9 * width**2

    target = weights(4, four)
    candidates: Iterable[int] = range(min(four, 1), 4 * four + 1)
    return min(candidates, key=lambda width: abs(weights(num_branches, width) - target))


def _check_num_branches(num_branches: int) -> None:
    if num_branches not in NUM_BRANCHES_ALLOWED:
        raise ValueError(f'num_branches={num_branches!r} is not a branch count of RSN: give an integer from 2 to 6 '
                         '(4 is the default and the best in the paper, Table 4).')


def _check(in_channels: int, num_branches: int, width: int, grouped_entry: bool) -> None:
    _check_num_branches(num_branches)
    if width < 1:
        raise ValueError(f'branch_width={width} leaves nothing to convolve: give at least 1. The default is in_channels '
                         f'* 26 // 64, and in_channels={in_channels}; use in_channels >= 3 (stem_channels of a backbone), or '
                         'set branch_width of a single block.')
    if grouped_entry and in_channels % num_branches:
        raise ValueError(f'grouped_entry=True splits in_channels={in_channels} into num_branches={num_branches} equal '
                         'parts, which does not go. Use a branch count that divides it, or grouped_entry=False.')
