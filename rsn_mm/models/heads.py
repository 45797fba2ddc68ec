"""The head of RSN: a heatmap from every unit while training, from the last one alone when predicting."""
import logging
from typing import Dict, List, Optional, Sequence, Tuple, Union, cast

import torch
from mmcv.cnn import ConvModule
from mmengine.logging import print_log
from mmengine.structures import PixelData
from mmpose.models.heads import BaseHead
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.utils.typing import InstanceList, OptConfigType, OptSampleList, Predictions
from torch import Tensor, nn

from ..codecs import DrawnTargets
from ..registry import KEYPOINT_CODECS, MODELS
from .backbones import INIT_CFG
from .batches import send
from .channels_last import ChannelsLastWeights
from .loading import refuse_foreign_weights
from .losses import KeypointOHKMMSELoss
from .multi_stage import upsample
from .norm_counters import counted_together
from .norms import checks_norm_cfg, refuse_single_values
from .prm import HeatmapRefineMachine, PoseRefineMachine
from .targets import PackedTargets, build_device_targets, never_labelled, stack_joints, stack_visible

Features = Sequence[Sequence[Tensor]]

PRM_PLACEMENTS = (None, 'features', 'heatmaps')
VISIBILITY_RULES = ('authors', 'mmpose')
# COCO's flags as fractions: 0 not labelled, 0.5 labelled but occluded, 1 visible. See transforms.LoadVisibility.
CLEARLY_VISIBLE = 0.75


class HeatmapPredictor(nn.Sequential):
    """Conv1x1-BN-ReLU, conv3x3-BN: features of a unit to heatmaps of its size.

    Shape:
        - Input: (B, in_channels, h, w)
        - Output: (B, out_channels, h, w)
    """

    def __init__(self, in_channels: int, out_channels: int, norm_cfg: dict) -> None:
        super().__init__(
            ConvModule(in_channels, in_channels, kernel_size=1, norm_cfg=norm_cfg),
            ConvModule(in_channels, out_channels, kernel_size=3, padding=1, norm_cfg=norm_cfg, act_cfg=None))


@MODELS.register_module()
class MultiStageHead(ChannelsLastWeights, BaseHead):
    """Heatmaps from the features of a multi-stage body, with intermediate supervision of every unit of every stage.

    All heatmaps are brought to the size of the last unit, 1/4 of the image. Prediction computes the last unit of the last
    stage alone.

    Args:
        num_stages (int): Stages of the backbone. Defaults to 1.
        num_units (int): Units of a stage. Defaults to 4.
        in_channels (int): Channels of a unit. Defaults to 256.
        out_channels (int): Number of keypoints K. Defaults to 17.
        prm (str, optional): Where the Pose Refine Machine stands. ``'features'``: once, on the features of the last unit
            of the last stage (the paper). ``'heatmaps'``: on the heatmaps of every unit (MMPose's structure, for its
            checkpoints). None: nowhere. Defaults to None.
        visibility_rule (str): What joints that are not clearly visible do in the plain MSE units.
            ``'authors'``: all pixels count, and joints that are not labelled OR occluded (v < 2) have a target of zero.
            ``'mmpose'``: joints that are not labelled are left out everywhere, occluded ones are as good as visible.
            In the OHKM units both leave out what is not labelled. Occluded joints are told apart only where the data
            pipeline has ``LoadVisibility``. Where a data set lacks joints altogether, as data sets that are combined often
            do, ``'authors'`` teaches that these joints are not there, with a warning: take ``'mmpose'``. Defaults to
            ``'authors'``.
        loss (dict | list[dict], optional): One loss config for all units, or ``num_stages * num_units`` of them, stage
            after stage, deep to shallow. Defaults to the paper's: MSE / 4 for all units but the last of a stage, and
            OHKM over the 8 hardest joints for that.
        encoder (list[dict], optional): Codec configs, all ``QuarterOffsetHeatmap``, one a level of the targets. The head then
            draws the targets itself, from joints that ``PackPoseInputs(pack_transformed=True)`` packs: a few hundred bytes a
            person come from the data pipeline instead of some hundred kilobytes. Defaults to None.
        decoder (dict, optional): Codec config that turns heatmaps into joints; needed to predict. Any codec whose input
            is one heatmap a joint: ours, MMPose's MSRA, UDP and Megvii.
        norm_cfg (dict): Config of every normalisation layer. Defaults to ``dict(type='BN')``.
        init_cfg (dict | list[dict], optional): Defaults to Kaiming normal convolutions and unit norms.

    Targets are those of the data pipeline where it has ``GenerateTarget``, with any codec; else those of ``encoder``, which are
    the same bit by bit. They have either one level for all units, or several (``GenerateTarget(multilevel=True)``): as many
    as units, or one more for coarse-to-fine supervision, when unit u of a stage takes level u, and of the last stage level
    u + 1.

    Raises:
        ValueError: if an argument is outside what is said above; if features or targets do not fit the arguments.

    Source: paper section 4.1; MSPN section 3.3 (coarse-to-fine supervision); the authors' ``network.py`` and ``loss.py``.
    """

    @checks_norm_cfg
    def __init__(self,
                 num_stages: int = 1,
                 num_units: int = 4,
                 in_channels: int = 256,
                 out_channels: int = 17,
                 prm: Optional[str] = None,
                 visibility_rule: str = 'authors',
                 loss: Union[dict, List[dict], None] = None,
                 encoder: Optional[Sequence[dict]] = None,
                 decoder: OptConfigType = None,
                 norm_cfg: dict = dict(type='BN'),
                 init_cfg: Union[dict, List[dict], None] = None) -> None:
        super().__init__(init_cfg=[dict(cfg) for cfg in INIT_CFG] if init_cfg is None else init_cfg)
        _check_choice('prm', prm, PRM_PLACEMENTS)
        _check_choice('visibility_rule', visibility_rule, VISIBILITY_RULES)
        self.num_stages = num_stages
        self.num_units = num_units
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.visibility_rule = visibility_rule
        self._has_warned = False
        self.device_targets = None if encoder is None else build_device_targets(encoder)
        self._sent_flip_indices: Optional[Tuple[tuple, Tensor]] = None
        self.decoder = None if decoder is None else KEYPOINT_CODECS.build(decoder)
        self.loss_modules = self._build_losses(loss)

        self.predictors = cast('Sequence[Sequence[HeatmapPredictor]]', nn.ModuleList(
            nn.ModuleList(HeatmapPredictor(in_channels, out_channels, norm_cfg) for _ in range(num_units))
            for _ in range(num_stages)))
        self.feature_prm = PoseRefineMachine(in_channels, norm_cfg) if prm == 'features' else None
        self.heatmap_prms = cast('Sequence[Sequence[HeatmapRefineMachine]]', nn.ModuleList(
            nn.ModuleList(HeatmapRefineMachine(out_channels, norm_cfg) for _ in range(num_units))
            for _ in range(num_stages))) if prm == 'heatmaps' else None
        self.register_load_state_dict_pre_hook(refuse_foreign_weights)
        self._lay_out()

    def forward(self, feats: Features) -> List[Tensor]:
        """Heatmaps of every unit.

        Args:
            feats (Sequence[Sequence[Tensor]]): Output of :class:`RSN`.

        Returns:
            list[Tensor]: ``num_stages * num_units`` heatmaps (B, K, H/4, W/4), stage after stage, deep to shallow.
        """
        self._check_features(feats)
        refuse_single_values(self, feats[0][0])
        with counted_together(self):
            return [self._unit_heatmaps(feats, stage, unit) for stage, unit in self._stage_units()]

    def forward_last(self, feats: Features) -> Tensor:
        """Heatmaps of the last unit of the last stage, (B, K, H/4, W/4): what prediction uses, and nothing else."""
        self._check_features(feats)
        return self._unit_heatmaps(feats, self.num_stages - 1, self.num_units - 1)

    def predict(self,
                feats: Union[Features, List[Features]],
                batch_data_samples: OptSampleList,
                test_cfg: OptConfigType = {}) -> Predictions:
        """Predict joints.

        Args:
            feats: Output of :class:`RSN`; with ``flip_test`` a pair of them, for the images and the mirrored images.
            batch_data_samples (list[PoseDataSample]): The data samples of the batch.
            test_cfg (dict): ``flip_test`` (bool), ``flip_mode``, ``shift_heatmap`` (bool, the paper does not shift) and
                ``output_heatmaps`` (bool).

        Returns:
            list[InstanceData]: For each image ``keypoints`` (1, K, 2) in input px and ``keypoint_scores`` (1, K). With
            ``output_heatmaps`` also a list of PixelData with ``heatmaps`` (K, H/4, W/4).
        """
        if test_cfg.get('flip_test', False):
            straight_feats, mirrored_feats = cast(Sequence[Features], feats)
            mirrored = flip_heatmaps(
                self.forward_last(mirrored_feats),
                flip_mode=test_cfg.get('flip_mode', 'heatmap'),
                flip_indices=self._flip_indices(batch_data_samples[0].metainfo['flip_indices'], mirrored_feats[-1][-1].device),
                shift_heatmap=test_cfg.get('shift_heatmap', False))
            heatmaps = (self.forward_last(straight_feats) + mirrored) * 0.5
        else:
            heatmaps = self.forward_last(cast(Features, feats))

        instances: InstanceList = self.decode(heatmaps)
        if test_cfg.get('output_heatmaps', False):
            return instances, [PixelData(heatmaps=maps) for maps in heatmaps.detach()]
        return instances

    def loss(self, feats: Features, batch_data_samples: OptSampleList, train_cfg: OptConfigType = {}) -> Dict[str, Tensor]:
        """Losses of every unit, ``loss_s<stage>u<unit>``, both counted from 1. No tensor leaves the device."""
        heatmaps = self.forward(feats)
        targets = self._targets(batch_data_samples, heatmaps[0])
        clear = None
        if self.visibility_rule == 'authors':
            self._warn_of_absent_joints(batch_data_samples)
            visible = torch.from_numpy(stack_visible(batch_data_samples) > CLEARLY_VISIBLE)
            clear = send(visible, targets.weights.device).to(targets.weights.dtype) * (targets.weights > 0)
        losses = {}
        for i, (stage, unit) in enumerate(self._stage_units()):
            module = self.loss_modules[i]
            weighted = getattr(module, 'use_target_weight', True)
            level = self._target_level(stage, unit, targets.num_levels)
            target = targets.level(level, keep=None if weighted else clear)
            _check_target(heatmaps[i], target)
            value = module(heatmaps[i], target, targets.weights) if weighted else module(heatmaps[i], target)
            losses[f'loss_s{stage + 1}u{unit + 1}'] = value
        return losses

    def _flip_indices(self, indices: Sequence[int], device: torch.device) -> Tensor:
        """On the device, kept from batch to batch: a list would be sent in each of them, and the host wait for it."""
        key = (tuple(indices), device)
        if self._sent_flip_indices is None or self._sent_flip_indices[0] != key:
            self._sent_flip_indices = key, torch.as_tensor(key[0], device=device)
        return self._sent_flip_indices[1]

    def _warn_of_absent_joints(self, samples: OptSampleList) -> None:
        """Say once that joints which one of several combined data sets does not have are learned as not there."""
        absent = [] if self._has_warned else never_labelled(samples)
        if absent:
            self._has_warned = True
            print_log(f'Joints {absent} have no labels in some of the data (a KeypointConverter does not map to them), and '
                      "visibility_rule='authors' of MultiStageHead teaches that they are not there. To leave them out of the "
                      "loss, set model.head.visibility_rule='mmpose'.", 'current', logging.WARNING)

    def _targets(self, samples: OptSampleList, heatmaps: Tensor) -> Union[PackedTargets, DrawnTargets]:
        if 'gt_fields' in samples[0]:
            return PackedTargets(samples)
        joints = stack_joints(samples, heatmaps.device)
        if self.device_targets is None:
            raise ValueError('The data samples have joints but no target heatmaps, and the head has no encoder to draw them. '
                             "Give the head encoder=[...], the codecs of all levels, or put GenerateTarget before "
                             'PackPoseInputs.')
        if joints.shape[:2] != heatmaps.shape[:2]:
            raise ValueError(f'The data samples have joints (B, K, ...) = {tuple(joints.shape)}, the heatmaps of the network '
                             f"are {tuple(heatmaps.shape)}. The head's out_channels must be the number of keypoints of the "
                             "data set, and every sample one person (data_mode='topdown').")
        return self.device_targets(joints)

    def _stage_units(self) -> List[Tuple[int, int]]:
        return [(stage, unit) for stage in range(self.num_stages) for unit in range(self.num_units)]

    def _unit_heatmaps(self, feats: Features, stage: int, unit: int) -> Tensor:
        feature = feats[stage][unit]
        if self.feature_prm is not None and (stage, unit) == (self.num_stages - 1, self.num_units - 1):
            feature = self.feature_prm(feature)
        heatmaps = self.predictors[stage][unit](feature)
        size_hw = feats[stage][-1].shape[-2:]
        if heatmaps.shape[-2:] != size_hw:
            heatmaps = upsample(heatmaps, size_hw)
        if self.heatmap_prms is not None:
            heatmaps = self.heatmap_prms[stage][unit](heatmaps)
        return heatmaps

    def _target_level(self, stage: int, unit: int, num_levels: int) -> int:
        """Coarse-to-fine: with one level more than units, the last stage is a level ahead."""
        if num_levels == 1:
            return 0
        if num_levels not in (self.num_units, self.num_units + 1):
            raise ValueError(f'The targets have {num_levels} levels, but a stage has num_units={self.num_units}. Give '
                             f'GenerateTarget(multilevel=True) {self.num_units} encoders, {self.num_units + 1} for '
                             'coarse-to-fine supervision of several stages, or one encoder for all units.')
        ahead = num_levels - self.num_units if stage == self.num_stages - 1 else 0
        return unit + ahead

    def _build_losses(self, loss: Union[dict, List[dict], None]) -> nn.ModuleList:
        if loss is None:
            plain = dict(type='mmpose.KeypointMSELoss', use_target_weight=self.visibility_rule == 'mmpose', loss_weight=0.25)
            hardest = dict(type=KeypointOHKMMSELoss, use_target_weight=True, topk=min(8, self.out_channels))
            loss = ([plain] * (self.num_units - 1) + [hardest]) * self.num_stages
        elif isinstance(loss, dict):
            loss = [loss] * (self.num_stages * self.num_units)
        if len(loss) != self.num_stages * self.num_units:
            raise ValueError(f'loss has {len(loss)} entries, but num_stages={self.num_stages} * num_units='
                             f'{self.num_units} units are supervised. Give one entry a unit, or one dict for all.')
        return nn.ModuleList(MODELS.build(cfg) for cfg in loss)

    def _check_features(self, feats: Features) -> None:
        if isinstance(feats[0], Tensor):
            raise ValueError(f'The backbone gives {len(feats)} single features, but this head is for stages of several units. '
                             'Give it rsn_mm.RSN as its backbone, or a head of MMPose, such as HeatmapHead, to the encoder.')
        if len(feats) != self.num_stages or any(len(units) != self.num_units for units in feats):
            raise ValueError(f'The backbone gives {len(feats)} stages of {[len(units) for units in feats]} units, but the '
                             f'head was built for num_stages={self.num_stages} and num_units={self.num_units}. Set '
                             "num_stages alike in backbone and head, and the head's num_units to the number of levels of "
                             "the backbone (len(num_blocks)).")
        channels = feats[-1][-1].shape[1]
        if channels != self.in_channels:
            raise ValueError(f"The backbone's units have {channels} channels, but the head was built for in_channels="
                             f"{self.in_channels}. Set the head's in_channels to the backbone's unit_channels.")


def _check_choice(name: str, value: Optional[str], allowed: Sequence[Optional[str]]) -> None:
    if value not in allowed:
        raise ValueError(f'{name}={value!r} is not known: give one of {", ".join(repr(choice) for choice in allowed)}.')


def _check_target(heatmaps: Tensor, target: Tensor) -> None:
    if target.shape[1] == 3 * heatmaps.shape[1]:
        raise ValueError(f'The targets have {target.shape[1]} maps, three for each of the {heatmaps.shape[1]} joints: a '
                         "heatmap and two offsets. This head predicts one heatmap a joint: take another codec, or give "
                         "UDPHeatmap heatmap_type='gaussian'.")
    if heatmaps.shape != target.shape:
        raise ValueError(f'The network makes heatmaps of (B, K, H, W) = {tuple(heatmaps.shape)}, the targets have '
                         f"{tuple(target.shape)}. The codec's heatmap_size (w, h) must be a quarter of its input_size, "
                         "input_size must be that of TopdownAffine, and the head's out_channels the number of keypoints "
                         'of the data set.')
