"""A shipped config of MMPose with another backbone, made small enough to train within seconds."""
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

import mmpose
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from tiny_data import TinyData

CONFIGS = Path(mmpose.__file__).parent / '.mim' / 'configs'
# The whole RSN, its head, RSN below MMPose's head for it, and a backbone of MMPose's own, to tell whose fault a failure is.
ENCODER, STAGES, STOCK = 'RSNEncoder', 'RSN + MultiStageHead', 'ResNet'
CHANNELS = 16
BLOCKS = [1, 1, 1, 1]
# Necks whose output has the channels of their input.
SAME_CHANNELS = (None, 'GlobalAveragePooling', 'FeatureMapProcessor')
# Codecs of one heatmap a joint.
HEATMAPS = ('MSRAHeatmap', 'MegviiHeatmap', 'UDPHeatmap')
# Of bottom-up models.
SIZES = ('input_size', 'heatmap_size', 'img_scale', 'random_size_range')
SHRINK = 4
SIDE = 128  # px of the picture that shows the strides of a backbone
_known: Dict[str, List[Tuple[int, int]]] = {}
# Backbones of MMPretrain, which is not needed for a swap: stride of their only map.
STRIDES = {'VisionTransformer': 16}


class NotApplicable(Exception):
    """Why a config has no backbone to swap."""


class Features(NamedTuple):
    strides: List[int]
    channels: int  # of the map that the head takes


def load(name: str) -> Config:
    """A config by its path below MMPose's ``configs``.

    Raises:
        NotApplicable: where there is no backbone to swap.
    """
    config = Config.fromfile(CONFIGS / name)
    if config.model.type == 'PoseLifter':
        raise NotApplicable('lifts joints to 3D: no pictures')
    if 'backbone' not in config.model:
        raise NotApplicable('distils a student that other configs and weights name')
    return config


def swap(config: Config, variant: str) -> None:
    """Put a small backbone in the place of the config's own, and adjust what has to know its channels.

    Raises:
        NotApplicable: if the variant does not fit this config.
    """
    model = config.model
    with DefaultScope.overwrite_default_scope('mmpose'):
        if variant == STAGES:
            _whole_rsn(config)
        elif model.head.type == 'MSPNHead':
            _below_mspn_head(model, variant)
        else:
            _encoder(model, variant)
    for part in (model, config.get('optim_wrapper', {})):
        _without_weights(part)
    imports = config.get('custom_imports') or dict(imports=[])
    config.custom_imports = dict(imports=[*imports['imports'], 'rsn_mm'], allow_failed_imports=False)


def shrink(config: Config, data: TinyData, work_dir: Path, amp: bool = False) -> None:
    """One epoch of two iterations on tiny data, then a validation and a checkpoint."""
    config.work_dir, config.experiment_name = str(work_dir), f'{work_dir.parent.name}_{work_dir.name}'
    for part in ('train', 'val'):
        loader = config[f'{part}_dataloader']
        data.localise(loader.dataset)
        # Some heads predict one picture at a time, and say so by the size of their batches.
        loader.update(batch_size=2 if part == 'train' else min(2, loader.batch_size), num_workers=0, persistent_workers=False)
        loader.pop('prefetch_factor', None)
        loader.pop('pin_memory', None)
    if config.model.type == 'BottomupPoseEstimator':  # its networks take pictures of any size
        for part in ('model', 'codec', 'train_dataloader', 'val_dataloader', 'custom_hooks'):
            config[part] = _smaller(config.get(part))
    config.test_dataloader = config.val_dataloader
    data.localise_evaluator(config.val_evaluator)
    config.train_cfg = dict(by_epoch=True, max_epochs=1, val_interval=1)
    config.visualizer.name = config.experiment_name  # otherwise all runs of a process share the first one's
    config.load_from, config.resume = None, False
    config.log_level = 'WARNING'
    hooks = config.setdefault('default_hooks', {})
    hooks.setdefault('checkpoint', dict(type='CheckpointHook')).update(interval=1)
    _without_poseval(config)
    config.test_evaluator = config.val_evaluator
    hooks.setdefault('logger', dict(type='LoggerHook')).update(interval=1)
    constructor = config.optim_wrapper.get('constructor', '')
    if 'LayerDecay' in constructor:  # knows the layers of the backbone that it was made for
        config.optim_wrapper.pop('constructor')
        config.optim_wrapper.pop('paramwise_cfg', None)
    if amp:
        config.optim_wrapper.update(type='AmpOptimWrapper', dtype='bfloat16')
        config.val_cfg = dict(config.get('val_cfg') or {}, fp16=True)


def _encoder(model: ConfigDict, variant: str) -> None:
    old = _features(model)
    strides = sorted(set(old.strides))
    if model.head.type == 'CPMHead':  # of one stage, whose map is the finest
        model.head.num_stages, strides = 1, strides[:1]
        model.head.pop('final_layer', None)
    levels = [{4: 0, 8: 1, 16: 2, 32: 3}[stride] for stride in strides]
    if variant == ENCODER:
        model.backbone = ConfigDict(type='rsn_mm.RSNEncoder', num_blocks=BLOCKS, stem_channels=CHANNELS, out_indices=levels)
    else:
        model.backbone = ConfigDict(type='ResNet', depth=18, stem_channels=CHANNELS, base_channels=CHANNELS,
                                    out_indices=levels)
    channels = [CHANNELS * 2**level for level in levels]
    if _kind(model.get('neck')) not in SAME_CHANNELS:
        model.neck.in_channels = channels
        if model.neck.get('out_channels', 0) is not None:  # None: those of its input
            return
    new = sum(channels) if (model.get('neck') or {}).get('concat') else channels[-1]
    _replace(model.head, old.channels, new)


def _whole_rsn(config: Config) -> None:
    model, codecs = config.model, config.get('codec')
    codec = codecs[-1] if isinstance(codecs, list) else codecs
    if model.type != 'TopdownPoseEstimator' or codec is None or codec.type not in HEATMAPS:
        raise NotApplicable('no heatmaps of persons')
    if codec.get('heatmap_type', 'gaussian') != 'gaussian':
        raise NotApplicable('heatmaps with offsets')
    if any(side != 4 * small for side, small in zip(codec.input_size, codec.heatmap_size)):
        raise NotApplicable('heatmaps of another size than a quarter of the input')
    joints = model.head.out_channels if 'out_channels' in model.head else model.head.pose_cfg.out_channels
    model.pop('neck', None)
    model.backbone = ConfigDict(type='rsn_mm.RSN', num_blocks=BLOCKS, stem_channels=CHANNELS, unit_channels=2 * CHANNELS)
    model.head = ConfigDict(type='rsn_mm.MultiStageHead', in_channels=2 * CHANNELS, out_channels=joints, decoder=codec)


def _below_mspn_head(model: ConfigDict, variant: str) -> None:
    head = model.head
    if variant == STOCK:
        kind = dict(type='MSPN', norm_cfg=dict(type='BN'))
    else:
        kind = dict(type='rsn_mm.RSN', stem_channels=CHANNELS)
    model.backbone = ConfigDict(**kind, num_stages=head.num_stages, unit_channels=head.unit_channels,
                                **(dict(num_units=4) if variant == STOCK else {}), num_blocks=BLOCKS)


def _maps(backbone: ConfigDict, device: str) -> Any:
    from mmpose.registry import MODELS
    with torch.inference_mode(), torch.device(device):
        network = MODELS.build(backbone)
        network.eval()  # not everywhere the network
        return network(torch.zeros(1, 3, SIDE, SIDE))


def _features(model: ConfigDict) -> Features:
    """Of the config's own backbone, by running it on a small picture; once for each backbone."""
    kind = model.backbone.type.split('.')[-1]
    channels = model.head.get('in_channels') or (model.head.get('pose_cfg') or {}).get('in_channels')
    if kind in STRIDES:
        return Features([STRIDES[kind]], channels)
    backbone = ConfigDict(model.backbone)
    backbone.pop('init_cfg', None)
    key = repr(sorted(backbone.items()))
    if key not in _known:
        try:
            maps = _maps(backbone, 'meta')  # shapes alone, without weights or work
        except (NotImplementedError, RuntimeError):  # where a number has to be known
            maps = _maps(backbone, 'cpu')
        _known[key] = [(one.shape[1], SIDE // one.shape[-1]) for one in (maps if isinstance(maps, (list, tuple)) else [maps])]
    numbers, strides = zip(*_known[key])
    return Features(list(strides), sum(numbers) if (model.get('neck') or {}).get('concat') else numbers[-1])


def _replace(head: ConfigDict, old: int, new: int) -> None:
    for key, value in list(head.items()):
        if key == 'in_channels' and value == old:
            head[key] = new
        elif isinstance(value, dict) and key not in ('decoder', ):
            _replace(value, old, new)


def _smaller(part: Any, key: str = '') -> Any:
    """With sizes of pictures and heatmaps divided by ``SHRINK``."""
    if key in SIZES:
        return type(part)(_smaller(side, key) for side in part) if isinstance(part, (list, tuple)) else part // SHRINK
    if isinstance(part, dict):
        return ConfigDict({name: _smaller(value, name) for name, value in part.items()})
    return type(part)(_smaller(value) for value in part) if isinstance(part, (list, tuple)) else part


def _without_weights(part: Any) -> None:
    """Weights to begin with, which would be downloaded."""
    if isinstance(part, dict):
        if 'checkpoint' in (part.get('init_cfg') or {}):
            part.pop('init_cfg')
        for value in part.values():
            _without_weights(value)
    elif isinstance(part, (list, tuple)):
        for value in part:
            _without_weights(value)


def _without_poseval(config: Config) -> None:
    """``PoseTrack18Metric`` needs poseval, which no package registry has; its score chooses the best checkpoint, too."""
    def kept(metric: ConfigDict) -> ConfigDict:
        return ConfigDict(type='PCKAccuracy') if metric.type == 'PoseTrack18Metric' else metric
    evaluator = config.val_evaluator
    if str(config.default_hooks.checkpoint.get('save_best', '')).startswith('posetrack18/'):
        config.default_hooks.checkpoint.update(save_best='PCK')
    config.val_evaluator = [kept(metric) for metric in evaluator] if isinstance(evaluator, list) else kept(evaluator)


def _kind(part: Any) -> Any:
    return part.type.split('.')[-1] if part else None
