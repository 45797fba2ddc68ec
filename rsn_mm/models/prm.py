"""Pose Refine Machine (paper section 3.3, Figure 3, equation 3)."""
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn


class PoseRefineMachine(nn.Module):
    r"""Reweights the output features of the network, by channel and by position::

                              +------------- identity -------------------------------+
                              |                                                      |
        f_in -- K: conv3x3 ---+-- pool -- conv1x1 -- ReLU -- conv1x1 -- sigmoid = a  (+)*-- f_out
                              |                                                 |    |
                              +-- conv1x1 -- DW conv9x9 -- sigmoid = b --------(*)---+

        f_out = K(f_in) * (1 + b * a)                                   (equation 3, a = alpha, b = beta)

    ``alpha`` is one weight a channel (B, C, 1, 1), ``beta`` one map for all channels (B, 1, H, W). K is a
    conv3x3-BN-ReLU; nothing is normalised after it, so neither path squeezes its sigmoid's input to one side of zero and
    a batch of one trains.

    Args:
        channels (int): Channels C of the features.
        norm_cfg (dict): Config of K's normalisation layer. Defaults to ``dict(type='BN')``.

    Shape:
        - Input: (B, C, H, W)
        - Output: (B, C, H, W)

    Source: paper section 3.3. It stands once, on the 256-channel features of the last unit of the last stage: that is the
    only place that costs what Tables 5 and 6 say it costs (1.8 GFLOPs at 256x192, 4.0 at 384x288).
    """

    def __init__(self, channels: int, norm_cfg: dict = dict(type='BN')) -> None:
        super().__init__()
        self.refine = ConvModule(channels, channels, kernel_size=3, padding=1, norm_cfg=norm_cfg)
        self.alpha = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, kernel_size=1), nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel_size=1), nn.Sigmoid())
        self.beta = nn.Sequential(
            nn.Conv2d(channels, 1, kernel_size=1),
            # Depth-wise separable on one channel: a 9x9 filter, then a 1x1 that scales it.
            nn.Conv2d(1, 1, kernel_size=9, padding=4, bias=False), nn.Conv2d(1, 1, kernel_size=1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        x = self.refine(x)
        return x * (1 + self.beta(x) * self.alpha(x))


class HeatmapRefineMachine(nn.Module):
    """The PRM of MMPose's ``MSPNHead``: on the K heatmaps of every unit, with MMPose's own layers.

    Kept so that checkpoints trained with it give the same heatmaps; not the paper's. A ReLU stands before each sigmoid, so
    its attention never falls below 0.5. Unlike MMPose's, a batch of one trains: the norms of the pooled path then use
    their running statistics.

    Args:
        channels (int): Number of keypoints K.
        norm_cfg (dict): Config of the normalisation layers of K and of the lower path. Defaults to ``dict(type='BN')``.

    Shape:
        - Input: (B, K, H, W)
        - Output: (B, K, H, W)
    """

    def __init__(self, channels: int, norm_cfg: dict = dict(type='BN')) -> None:
        super().__init__()
        self.refine = ConvModule(channels, channels, kernel_size=3, padding=1, norm_cfg=norm_cfg)
        self.alpha = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, kernel_size=1), _PooledNorm(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, kernel_size=1), _PooledNorm(channels), nn.ReLU(), nn.Sigmoid())
        self.beta = nn.Sequential(
            ConvModule(channels, channels, kernel_size=1, norm_cfg=norm_cfg),
            ConvModule(channels, channels, kernel_size=9, padding=4, groups=channels, norm_cfg=norm_cfg),
            ConvModule(channels, 1, kernel_size=1, norm_cfg=norm_cfg), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        x = self.refine(x)
        return x * (1 + self.beta(x) * self.alpha(x))


class _PooledNorm(nn.BatchNorm2d):
    """Batch norm over (B, C, 1, 1), where one sample has no variance of its own."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)
