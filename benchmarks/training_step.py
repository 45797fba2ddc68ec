"""A training step in stock MMPose and in rsn_mm, on batches as the data pipeline of each makes them.

    python benchmarks/training_step.py [--device cuda] [--amp] [--stages 4] [--batch-size 48]

A step is what MMEngine's loop does with a batch: preprocessing, forward, losses, backward, Adam, and what the hook that
records the losses does with them. Stock fetches every loss; in half precision it computes in float16, for its head turns
heatmaps into numpy arrays, which have no bfloat16.
"""
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import numpy as np
import torch
from common import STOCK_KERNELS, Report, _stock_cfg, parser, take_turns, use_device
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmpose.registry import MODELS, TRANSFORMS
from torch import nn

from rsn_mm.engine.history import record

CONFIGS = Path(__file__).parent.parent / 'configs'
NUM_KEYPOINTS = 17


class Sizes(NamedTuple):
    """What is trained. ``config``: ours, which gives depth and input size."""
    config: str
    stages: int
    batch_size: int

    @property
    def name(self) -> str:
        return f'{self.stages}x {self.config}, batch {self.batch_size}'


class Trainer:
    """One side: ``step()`` is a training step with a batch of its own pipeline."""

    def __init__(self, model: nn.Module, optim_wrapper: Any, batch: dict, defer: bool) -> None:
        self.model, self.optim_wrapper, self.batch, self.defer = model, optim_wrapper, batch, defer
        self.message_hub = MessageHub(f'trainer_{id(self)}')

    def step(self) -> Dict[str, torch.Tensor]:
        losses = self.model.train_step(dict(self.batch), self.optim_wrapper)
        for name, value in losses.items():
            if self.defer:
                record(self.message_hub, f'train/{name}', value)
            else:
                self.message_hub.update_scalar(f'train/{name}', value)
        return losses


def stock_trainer(sizes: Sizes, device: str, amp: Optional[str] = None, compile_options: None = None,
                  channels_last: bool = False, batch_size: Optional[int] = None, fused: bool = False) -> Trainer:
    """Stock MMPose's RSN with its head, targets in float maps. ``compile_options`` is not for stock; ``fused`` (of Adam) is a
    line in its configs."""
    assert compile_options is None
    config = our_config(sizes)
    width, height = config.codecs[0].input_size
    targets = dict(type='GenerateTarget', multilevel=True, encoder=[
        dict(type='MegviiHeatmap', input_size=(width, height), heatmap_size=(width // 4, height // 4), kernel_size=kernel)
        for kernel in STOCK_KERNELS])
    with DefaultScope.overwrite_default_scope('mmpose'):
        cfg = _stock_cfg(config.model.backbone.get('depth', 18), sizes.stages, (width, height), NUM_KEYPOINTS)
        # Four levels of targets: every stage takes all of them.
        cfg['head']['level_indices'] = [0, 1, 2, 3] * sizes.stages
        model = _ready(MODELS.build(cfg), device, channels_last)
        batch = make_batch([targets, dict(type='PackPoseInputs')], (width, height), batch_size or sizes.batch_size)
        wrapper = _optim_wrapper(model, 'mmengine', amp, dict(
            dict(fused=True) if fused else {}, type='Adam', lr=5e-4, weight_decay=1e-5))
    return Trainer(model, wrapper, batch, defer=False)


def our_trainer(sizes: Sizes, device: str, amp: Optional[str] = None, compile_options: Optional[dict] = None,
                channels_last: Optional[bool] = None, with_cp: bool = False, fused: Optional[bool] = None,
                batch_size: Optional[int] = None) -> Trainer:
    """rsn_mm by its own config: model, and the end of its pipeline, from the step that makes targets on.

    ``channels_last`` (of weights) and ``fused`` (of Adam): as by default, if None.
    """
    from rsn_mm.compat.compile import compile_network
    config = our_config(sizes)
    config.model.backbone.with_cp = with_cp
    steps = config.train_pipeline
    after_affine = next(i for i, step in enumerate(steps) if 'Affine' in step.type) + 1
    with DefaultScope.overwrite_default_scope('rsn_mm'):
        model = _ready(MODELS.build(config.model), device, channels_last)
        batch = make_batch(steps[after_affine:], config.codecs[0].input_size, batch_size or sizes.batch_size)
        optimizer = dict(config.optim_wrapper.optimizer, **({} if fused is None else dict(fused=fused)))
        wrapper = _optim_wrapper(model, 'rsn_mm', amp, optimizer)
    if compile_options is not None:
        compile_network(model, compile_options)
    return Trainer(model, wrapper, batch, defer=True)


def our_config(sizes: Sizes) -> Config:
    config = Config.fromfile(CONFIGS / f'{sizes.config}.py')
    config.merge_from_dict({'model.backbone.num_stages': sizes.stages, 'model.head.num_stages': sizes.stages})
    return config


def make_batch(steps: List[dict], input_size: Any, batch_size: int) -> dict:
    """Random persons through the last steps of a data pipeline, in pinned memory where there is a GPU."""
    rng = np.random.default_rng(0)
    built = [TRANSFORMS.build(step) for step in steps]
    entries = []
    for _ in range(batch_size):
        entry = _person(rng, tuple(input_size))
        for step in built:
            entry = step(entry)
        entries.append(entry)
    inputs = torch.stack([entry['inputs'] for entry in entries])
    return dict(inputs=inputs.pin_memory() if torch.cuda.is_available() else inputs,
                data_samples=[entry['data_samples'] for entry in entries])


def _person(rng: np.random.Generator, input_size: Any) -> dict:
    size = np.array(input_size, dtype=np.float32)
    joints = rng.uniform(0, size - 1, (1, NUM_KEYPOINTS, 2)).astype(np.float32)
    flags = rng.choice([0., 1., 2.], NUM_KEYPOINTS, p=[.3, .1, .6])
    return dict(
        img=rng.integers(0, 256, (input_size[1], input_size[0], 3), dtype=np.uint8),
        img_shape=(input_size[1], input_size[0]), input_size=input_size, input_center=size / 2, input_scale=size,
        bbox=np.array([[0., 0., *size]]), bbox_score=np.ones(1), flip_indices=list(range(NUM_KEYPOINTS)),
        keypoints=joints, transformed_keypoints=joints.copy(), keypoints_visible=np.minimum(flags, 1)[None].astype(np.float32),
        raw_ann_info=dict(keypoints=np.column_stack([joints[0], flags]).ravel().tolist()))


def _ready(model: nn.Module, device: str, channels_last: Optional[bool]) -> nn.Module:
    model.to(device)
    model.train()
    if channels_last is None:
        return model
    return model.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def _optim_wrapper(model: nn.Module, scope: str, amp: Optional[str], optimizer: dict) -> Any:
    if amp is None:
        return build_optim_wrapper(model, dict(type=f'{scope}.OptimWrapper', optimizer=optimizer))
    return build_optim_wrapper(model, dict(type=f'{scope}.AmpOptimWrapper', dtype=amp, optimizer=optimizer))


def main() -> None:
    arguments = parser(__doc__.split('\n')[0])
    arguments.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    arguments.add_argument('--config', default='rsn50_coco_256x192', help='a config of ours, without .py')
    arguments.add_argument('--stages', type=int, default=1)
    arguments.add_argument('--batch-size', type=int, default=48)
    arguments.add_argument('--amp', action='store_true', help='stock in float16, ours in bfloat16')
    args = arguments.parse_args()
    sizes = Sizes(args.config, args.stages, args.batch_size)
    device = use_device(args.device)
    rivals: Dict[str, Callable] = {
        'stock': stock_trainer(sizes, device, 'float16' if args.amp and device == 'cuda' else None).step,
        'ours': our_trainer(sizes, device, 'bfloat16' if args.amp else None).step}
    timings = take_turns(rivals, rounds=args.rounds)
    precision = 'AMP' if args.amp else 'fp32'
    report = Report('training_step', f'Training step, {sizes.name}, {precision}, {device}: ms a person')
    for name, timing in timings.items():
        report.add(name, timing, per=args.batch_size, baseline=timings['stock'],
                   persons_per_s=args.batch_size / timing.median)
    report.write(args.out)


if __name__ == '__main__':
    main()
