"""The constituent units that the paper compares with its own (Table 3, Figure 4): of ResNet, Res2Net and DenseNet.

They take the place of :class:`ResidualStepsBlock` in the same body, so that the unit is the only variable. Costs given
here are multiply-adds of the convolutions at 256x192, with all units' heads and 17 joints.
"""
import math
from typing import List, Optional, Sequence

import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .blocks import branch_width, shortcut
from .checkpointing import checkpoint


class RivalBlock(nn.Module):
    """relu( transform(x) + identity ), with conv1x1-BN on the identity where the shape changes.

    Args:
        in_channels (int): Channels of the input.
        out_channels (int): Channels of the output.
        stride (int): Stride of the block. Defaults to 1.
        width (int, optional): Channels that one conv3x3 makes. Defaults to
            ``default_width(in_channels, out_channels)``.
        with_cp (bool): Recompute the block in the backward pass instead of keeping its activations. Defaults to False.
        norm_cfg (dict): Config of every normalisation layer. Defaults to ``dict(type='BN')``.

    Shape:
        - Input: (B, in_channels, H, W)
        - Output: (B, out_channels, ceil(H / stride), ceil(W / stride))

    Raises:
        ValueError: if ``width`` is not positive.
    """

    def __init__(self,
                 in_channels: int,
                 out_channels: int,
                 stride: int = 1,
                 width: Optional[int] = None,
                 with_cp: bool = False,
                 norm_cfg: dict = dict(type='BN')) -> None:
        super().__init__()
        width = self.default_width(in_channels, out_channels) if width is None else width
        if width < 1:
            raise ValueError(f'width={width} leaves nothing to convolve in a {type(self).__name__} from {in_channels} '
                             f'to {out_channels} channels: give at least 1, or use wider levels (stem_channels).')
        self.with_cp = with_cp
        self.shortcut = shortcut(in_channels, out_channels, stride, norm_cfg)
        self.relu = nn.ReLU(inplace=True)
        self.build(in_channels, out_channels, stride, width, norm_cfg)

    @staticmethod
    def default_width(in_channels: int, out_channels: int, expansion: int = 4) -> int:
        """``width`` in a body whose levels have ``expansion`` times the channels of a plain one."""
        raise NotImplementedError

    def build(self, in_channels: int, out_channels: int, stride: int, width: int, norm_cfg: dict) -> None:
        """Make the layers of :meth:`transform`."""
        raise NotImplementedError

    def transform(self, x: Tensor) -> Tensor:
        """What is added to the identity: (B, in_channels, H, W) to the shape of the output."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self, self._forward, x) if self.with_cp else self._forward(x)

    def _forward(self, x: Tensor) -> Tensor:
        return self.relu(self.transform(x) + self.shortcut(x))


class ResNetBlock(RivalBlock):
    """Bottleneck of ResNet: conv1x1, conv3x3 (which carries the stride), conv1x1. With it RSN is MSPN.

    Arguments, shape and errors are those of :class:`RivalBlock`; ``width`` defaults to a quarter of ``out_channels``.

    Depths 50 and 101 have expansion 4, as in MSPN (5.07 G and 8.71 G; 4.6 and 7.5 GFLOPs are printed). Depth 18 has the
    bottleneck with expansion 1, not ResNet-18's basic block of two conv3x3: so does the authors' code
    (``exps/Res18.coco/network.py``), and it costs 2.06 G, where 2.3 GFLOPs are printed; the basic block costs 2.56 G.
    RSN-18 then costs 0.18 G more than ResNet-18, which fits "adding only 0.2 GFLOPs" in section 4.1; with the basic
    block RSN-18 would be the cheaper one.

    Source: He et al., 2016, with the stride in the conv3x3 as in MSPN (Li et al., 2019).
    """

    @staticmethod
    def default_width(in_channels: int, out_channels: int, expansion: int = 4) -> int:
        return out_channels // expansion

    def build(self, in_channels: int, out_channels: int, stride: int, width: int, norm_cfg: dict) -> None:
        self.entry = ConvModule(in_channels, width, kernel_size=1, norm_cfg=norm_cfg)
        self.middle = ConvModule(width, width, kernel_size=3, stride=stride, padding=1, norm_cfg=norm_cfg)
        self.exit = ConvModule(width, out_channels, kernel_size=1, norm_cfg=norm_cfg, act_cfg=None)

    def transform(self, x: Tensor) -> Tensor:
        return self.exit(self.middle(self.entry(x)))


class Res2NetBlock(RivalBlock):
    r"""Bottle2neck of Res2Net with four splits: each but the first goes through one conv3x3, and is passed on::

        x -- conv1x1 --+-- s1 -----------------------> y1 --+
                       +-- s2 ---------- conv3x3 --+-> y2 --+-- concat -- conv1x1
                       |                          (+)       |
                       +-- s3 ---- (+) - conv3x3 --+-> y3 --+        each (+) adds the y above
                       +-- s4 ---- (+) - conv3x3 ----> y4 --+

    Receptive fields: {1}, {3}, {3,5}, {3,5,7} (paper Table 2).

    Arguments, shape and errors are those of :class:`RivalBlock`; ``width`` is that of one split. Its default is the
    even number per 64 channels of ResNet's conv3x3 at which this block comes closest to the weights of ResNet's
    bottleneck: 26 with expansion 4 (Res2Net's own "26w x 4s") and 32 with expansion 1. Res2Net-18 then costs 0.10 G
    less than ResNet-18 (2.2 and 2.3 GFLOPs are printed), Res2Net-50 0.21 G less than ResNet-50 (4.5 and 4.6).

    The conv1x1 at the entry carries the stride, as in RSB, so that the first split can pass in every block. Res2Net's
    own code strides in the conv3x3, drops the sums where it does, and pools the first split: that would make Res2Net-50
    dearer than ResNet-50 (5.24 G), against what is printed.

    Source: Gao et al., 2020.
    """
    num_splits = 4

    @staticmethod
    def default_width(in_channels: int, out_channels: int, expansion: int = 4) -> int:
        # With p channels in ResNet's conv3x3, e = expansion and w in a split: 8 e p w + 27 w^2 = (2 e + 9) p^2.
        share = (math.sqrt((8 * expansion)**2 + 4 * 27 * (2 * expansion + 9)) - 8 * expansion) / (2 * 27)
        return out_channels // expansion * 2 * round(share * 64 / 2) // 64

    def build(self, in_channels: int, out_channels: int, stride: int, width: int, norm_cfg: dict) -> None:
        self.entry = ConvModule(in_channels, self.num_splits * width, kernel_size=1, stride=stride, norm_cfg=norm_cfg)
        self.branches = nn.ModuleList(
            ConvModule(width, width, kernel_size=3, padding=1, norm_cfg=norm_cfg) for _ in range(self.num_splits - 1))
        self.exit = ConvModule(self.num_splits * width, out_channels, kernel_size=1, norm_cfg=norm_cfg, act_cfg=None)

    def transform(self, x: Tensor) -> Tensor:
        return self.exit(torch.cat(self.refine(self.entry(x).chunk(self.num_splits, dim=1)), dim=1))

    def refine(self, splits: Sequence[Tensor]) -> List[Tensor]:
        """Take the splits s_1 .. s_4, each (B, w, H, W), to y_1 .. y_4 of the same shape."""
        first, second, *others = splits
        y = [first, self.branches[0](second)]
        for split, branch in zip(others, self.branches[1:]):
            y.append(branch(split + y[-1]))
        return y


class DenseNetBlock(RivalBlock):
    r"""Dense unit of DenseNet: every conv3x3 receives all features made before it, concatenated::

        x -- conv1x1 -- y0 -+----------- y0 ----------------------------+
                            +- conv3x3 - y1 (of y0) --------------------+
                            +- conv3x3 - y2 (of y0, y1) ----------------+-- concat -- conv1x1
                            +- conv3x3 - y3 (of y0, y1, y2) ------------+
                            +- conv3x3 - y4 (of y0, y1, y2, y3) --------+

    Arguments, shape and errors are those of :class:`RivalBlock`; ``width`` is DenseNet's growth rate k, the channels of
    each y. Its default gives this block as many weights as the residual steps block between the same channels, as near
    as whole channels come (3 % at 64 channels): both have ten kernels 3x3 from w to w channels, so this is RSB with
    concatenation in place of sums.

    Difference from DenseNet: its levels concatenate over all their layers, so that channels grow through a level. Here
    concatenation ends with the unit (four layers and the conv1x1 of a transition), as the body wants every level to
    have one number of channels; the identity is added as around every unit, norm and ReLU follow each convolution, and
    no conv1x1 stands before a conv3x3.

    Source: Huang et al., 2017; paper section 4.1, "Ablation Study of RSN Efficiency".
    """
    num_layers = 4

    @staticmethod
    def default_width(in_channels: int, out_channels: int, expansion: int = 1) -> int:
        w = branch_width(in_channels, out_channels, expansion)
        # k (in + 5 out) + 90 k^2 = 4 w (in + out) + 90 w^2
        linear, kernels = in_channels + 5 * out_channels, 9 * 10
        target = 4 * w * (in_channels + out_channels) + kernels * w**2
        return round((math.sqrt(linear**2 + 4 * kernels * target) - linear) / (2 * kernels))

    def build(self, in_channels: int, out_channels: int, stride: int, width: int, norm_cfg: dict) -> None:
        self.entry = ConvModule(in_channels, width, kernel_size=1, stride=stride, norm_cfg=norm_cfg)
        self.layers = nn.ModuleList(
            ConvModule(number * width, width, kernel_size=3, padding=1, norm_cfg=norm_cfg)
            for number in range(1, self.num_layers + 1))
        self.exit = ConvModule(
            (self.num_layers + 1) * width, out_channels, kernel_size=1, norm_cfg=norm_cfg, act_cfg=None)

    def transform(self, x: Tensor) -> Tensor:
        return self.exit(torch.cat(self.refine(self.entry(x)), dim=1))

    def refine(self, y0: Tensor) -> List[Tensor]:
        """Take y_0, (B, w, H, W), to y_0 .. y_4 of the same shape."""
        y = [y0]
        for layer in self.layers:
            y.append(layer(torch.cat(y, dim=1)))
        return y
