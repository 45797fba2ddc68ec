"""Peak memory of a training step: stock MMPose, rsn_mm, and rsn_mm with activation checkpointing (``with_cp=True``).

    python benchmarks/memory.py [--config 4xrsn50_coco_256x192 --stages 4] [--batch-size 32] [--amp]

On a GPU it is what the allocator reports. On a CPU nothing is computed: the tensors are fake and the bytes of those alive
are counted, so that full sizes fit anywhere. Weights, gradients, Adam's moments and the batch are in the figures.
"""
import copy
import gc
import weakref
from typing import Any, Dict, Sequence

import torch
from common import Report, _stock_cfg, parser
from mmengine.registry import DefaultScope
from mmpose.registry import MODELS
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from training_step import NUM_KEYPOINTS, Sizes, Trainer, our_config, our_trainer, stock_trainer


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of storages that operators make, as long as they live."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._storages: Dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_iter(result):
            if isinstance(value, Tensor):
                self.add(value)
        return result

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._storages:
            return
        self._storages[key] = weakref.ref(storage, lambda _: self._remove(key, size))
        self.live += size
        self.peak = max(self.peak, self.live)

    def _remove(self, key: int, size: int) -> None:
        del self._storages[key]
        self.live -= size


def network_peak(model: nn.Module, losses: nn.ModuleList, input_size: Sequence[int], batch_size: int) -> int:
    """Bytes at the peak of forward and backward on fake tensors, with weights, gradients and Adam's two moments.

    Args:
        model (nn.Module): On the device 'meta'.
        losses (nn.ModuleList): One for every heatmap of the head.
        input_size (Sequence[int]): (width, height) in px.
        batch_size (int): Images.
    """
    width, height = input_size
    model.train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        model.to_empty(device='cpu')
        weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
        with LiveBytes() as counter:
            heatmaps = model.head.forward(model.backbone(torch.empty(batch_size, 3, height, width)))
            target, weight = torch.empty_like(heatmaps[0]), torch.empty(heatmaps[0].shape[:2])
            sum(loss(maps, target, weight) for loss, maps in zip(losses, heatmaps)).backward()
    # Gradients are counted as they come; weights and moments were there before.
    return counter.peak + 3 * weights


def fake_rivals(sizes: Sizes) -> Dict[str, int]:
    config = our_config(sizes)
    input_size = config.codecs[0].input_size
    depth = config.model.backbone.get('depth', 18)
    models = dict(stock=_stock_cfg(depth, sizes.stages, input_size, NUM_KEYPOINTS))
    for name, with_cp in (('ours', False), ('ours with_cp', True)):
        config.model.backbone.with_cp = with_cp
        models[name] = copy.deepcopy(config.model)
    peaks = {}
    for name, cfg in models.items():
        scope = 'mmpose' if name == 'stock' else 'rsn_mm'
        with DefaultScope.overwrite_default_scope(scope), torch.device('meta'):
            model = MODELS.build(cfg)
        losses = model.head.loss_module if name == 'stock' else model.head.loss_modules
        peaks[name] = network_peak(model, losses, input_size, sizes.batch_size)
    return peaks


def cuda_rivals(sizes: Sizes, amp: bool) -> Dict[str, int]:
    makers = {
        'stock': lambda: stock_trainer(sizes, 'cuda', 'float16' if amp else None),
        'ours': lambda: our_trainer(sizes, 'cuda', 'bfloat16' if amp else None),
        'ours with_cp': lambda: our_trainer(sizes, 'cuda', 'bfloat16' if amp else None, with_cp=True)}
    peaks = {}
    for name, make in makers.items():
        gc.collect()  # a trainer is in cycles
        torch.cuda.empty_cache()
        peaks[name] = training_peak(make())
    return peaks


def training_peak(trainer: Trainer) -> int:
    """Bytes that the GPU's allocator held at the peak of a training step, after one that makes the optimizer's state."""
    trainer.step()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    trainer.step()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def main() -> None:
    arguments = parser(__doc__.split('\n')[0])
    arguments.add_argument('--config', default='4xrsn50_coco_256x192', help='a config of ours, without .py')
    arguments.add_argument('--stages', type=int, default=4)
    arguments.add_argument('--batch-size', type=int, default=32)
    arguments.add_argument('--amp', action='store_true', help='on a GPU: stock in float16, ours in bfloat16')
    args = arguments.parse_args()
    sizes = Sizes(args.config, args.stages, args.batch_size)
    peaks = cuda_rivals(sizes, args.amp) if torch.cuda.is_available() else fake_rivals(sizes)
    report = Report('memory', f'Peak memory of a training step, {sizes.name}')
    for name, peak in peaks.items():
        report.add_values(name, MiB=round(peak / 2**20), of_stock=peak / peaks['stock'])
    report.write(args.out)


if __name__ == '__main__':
    main()
