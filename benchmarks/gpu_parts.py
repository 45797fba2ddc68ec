"""The parts of ``gpu.py`` but those of ``gpu_speed.py``. Each adds what it finds to a dict, a piece at a time."""
import copy
import gc
import tempfile
import warnings
from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, Optional, Tuple

import gpu_variants as ways
import numpy as np
import torch
from common import same_network
from memory import cuda_rivals, fake_rivals
from mmengine.model import MMDistributedDataParallel
from torch import Tensor, nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from training_step import Sizes, Trainer, our_config, our_trainer, stock_trainer

from rsn_mm.deploy import load_runtime

Result = Dict[str, Any]

OUT_OF_TIME = 'this part took longer than its share of time'


def clean_up() -> None:
    torch._dynamo.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@contextmanager
def attempt(result: Result, name: str) -> Iterator[None]:
    """Record a failure of one piece and go on. Running out of time ends the part."""
    try:
        yield
    except TimeoutError:
        result[name] = 'out of time'
        raise
    except Exception as error:
        if OUT_OF_TIME in str(error) or 'did not complete within' in str(error):  # a compiler's words when interrupted
            result[name] = 'out of time'
            raise TimeoutError(OUT_OF_TIME) from error
        result[name] = f'{type(error).__name__}: {error}'[:600]


def networks(sizes: Sizes, device: str) -> Tuple[nn.Module, nn.Module]:
    """Stock and ours with the same weights. A config that is not RSN-50 stands for RSN-18."""
    depth = our_config(sizes).model.backbone.depth
    input_size = our_config(sizes).codecs[0].input_size
    stock, ours = same_network(50 if depth == 50 else 18, sizes.stages, input_size)
    return stock.to(device), ours.to(device)


def images_of(sizes: Sizes, device: str, batch: int) -> Tensor:
    width, height = our_config(sizes).codecs[0].input_size
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(0)).to(device)


def correctness(result: Result, sizes: Sizes, device: str) -> None:
    ours = networks(sizes, 'cpu')[1]
    images = images_of(sizes, 'cpu', 4)
    on_device = images.to(device)
    decoder = ours.head.decoder
    with torch.no_grad():
        expected = ours.head.forward_last(ours.backbone(images))
    # Heatmaps of a random network, at the height of real ones.
    maps = expected * (255 / expected.abs().max())
    moved = copy.deepcopy(ours).to(device)
    for name, options in {
            'fp32': dict(fused=False, channels_last=False), 'fp32 channels_last': dict(fused=False),
            'TF32': dict(fused=False), 'fused fp32': {}, 'fused padded fp32': dict(padded=True),
            'fused bf16': dict(precision='bf16'), 'fused fp16': dict(precision='fp16')}.items():
        with attempt(result, name):
            # Convolutions in float32 proper: by default a GPU rounds their inputs to TF32. By default flags() has cuDNN off.
            with torch.backends.cudnn.flags(
                    enabled=True, benchmark=torch.backends.cudnn.benchmark, allow_tf32='TF32' in name):
                heatmaps = ways.our_heatmaps(copy.deepcopy(moved), **options)(on_device)
            result[name] = dict(relative_difference=ways.relative_difference(heatmaps, expected),
                                finite=bool(heatmaps.isfinite().all()))
    if device == 'cuda':
        with attempt(result, 'graph'):
            # A graph gives what its operators give, for images other than those that it was captured with, and again.
            predict = ways.our_heatmaps(copy.deepcopy(moved))
            graph = ways.graphed(predict, torch.zeros_like(on_device))
            result['graph'] = [ways.relative_difference(graph(shown), predict(shown)) for shown in (on_device, -on_device)]
    with attempt(result, 'autocast bf16'), torch.no_grad(), torch.autocast(torch.device(device).type, torch.bfloat16):
        heatmaps = moved.head.forward_last(moved.backbone(on_device))
        result['autocast bf16'] = dict(relative_difference=ways.relative_difference(heatmaps, expected))
    with attempt(result, 'decoder'):
        joints, scores = decoder.decode_tensor(maps)
        moved_joints, moved_scores = decoder.decode_tensor(maps.to(device))
        result['decoder'] = dict(px=float((joints - moved_joints.cpu()).abs().max()),
                                 score=float((scores - moved_scores.cpu()).abs().max()))
    for precision in ('float32', 'auto'):
        with attempt(result, f'runtime {precision}'):
            result[f'runtime {precision}'] = _runtime_joints(ours, device, precision)
    for name, amp in (('training step fp32', None), ('training step bf16', 'bfloat16')):
        with attempt(result, name):
            result[name] = _first_losses(sizes, device, amp)


def _runtime_joints(model: nn.Module, device: str, precision: str) -> Result:
    """Joints of crops in batches of many sizes, as users get them, beside those of a CPU. Of a random network, whose maps have
    many peaks alike: where one is taken for another, a joint jumps. What is under way together has to give the same joints."""
    runtime = load_runtime(model, device=device, precision=precision, max_batch=8)
    width, height = runtime.input_size
    crops = np.random.default_rng(0).integers(0, 256, (16, height, width, 3), dtype=np.uint8)
    parts = [crops[start:start + size] for size, start in ((8, 0), (3, 8), (1, 11), (4, 12))]
    expected = load_runtime(model, precision='float32')(crops)
    one_by_one = np.concatenate([runtime(part).keypoints for part in parts])
    together = [joints() for joints in [runtime.submit(part) for part in parts]]
    apart = np.linalg.norm(one_by_one - expected.keypoints, axis=-1)
    scores = np.concatenate([joints.scores for joints in together])
    return dict(precision=runtime.precision, px_median=float(np.median(apart)), share_moved_a_cell=float((apart > 4).mean()),
                px_together=float(np.abs(np.concatenate([joints.keypoints for joints in together]) - one_by_one).max()),
                score=float(np.abs(scores - expected.scores).max()), finite=bool(np.isfinite(scores).all()))


def _first_losses(sizes: Sizes, device: str, amp: Optional[str]) -> Result:
    """Losses of the first step on the CPU in float32, and on the device; targets are made on each."""
    torch.manual_seed(0)
    reference = our_trainer(sizes, 'cpu', batch_size=4)
    trainer = our_trainer(sizes, device, amp, batch_size=4)
    trainer.model.load_state_dict(reference.model.state_dict())
    expected, losses = reference.step(), trainer.step()
    return {name: dict(cpu=expected[name].item(), device=value.item()) for name, value in losses.items()}


def no_waiting(result: Result, sizes: Sizes, device: str) -> None:
    """Steps in which any wait of the host for the device is an error, and a trace that counts them."""
    for name, amp in (('fp32', None), ('bf16', 'bfloat16')):
        with attempt(result, name):
            trainer = our_trainer(sizes, device, amp)
            for _ in range(2):
                trainer.step()
            with _waiting_is_an_error(device):
                for _ in range(5):
                    trainer.step()
            result[name] = 'no wait in 5 steps' if device == 'cuda' else 'not checked: a CPU has nothing to wait for'
    for name, make, amp in (('trace ours', our_trainer, 'bfloat16'), ('trace stock', stock_trainer, 'float16')):
        with attempt(result, name):
            result[name] = _trace(make(sizes, device, amp if device == 'cuda' else None), device)


@contextmanager
def _waiting_is_an_error(device: str) -> Iterator[None]:
    if device != 'cuda':
        yield
        return
    torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')


def _trace(trainer: Trainer, device: str, steps: int = 3) -> Result:
    """Events of a step that make the host wait or copy to it, and the share of time in which the device works."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == 'cuda' else [])
    trainer.step()
    trainer.step()
    with profile(activities=activities) as trace:
        for _ in range(steps):
            trainer.step()
    events = trace.key_averages()
    watched: Dict[str, float] = {}
    for event in events:
        key = event.key
        if 'Synchronize' in key or 'DtoH' in key or 'HtoD' in key or key in ('cudaLaunchKernel', 'aten::item'):
            watched[key] = watched.get(key, 0) + event.count / steps
    return dict(per_step=watched, device_ms_per_step=round(_device_microseconds(events) / steps / 1e3, 3))


def _device_microseconds(events: Iterable[Any]) -> float:
    """Time in kernels and copies. The operators that launched them hold it as well, and annotations span them."""
    return sum(event.self_device_time_total for event in events
               if event.device_type == DeviceType.CUDA and not event.is_user_annotation)


def memory(result: Result, sizes: Sizes, device: str) -> None:
    """Peak of a training step in MiB, ours with checkpointing beside stock."""
    for name, measure in {
            'fp32': lambda: cuda_rivals(sizes, amp=False) if device == 'cuda' else fake_rivals(sizes),
            'AMP': lambda: cuda_rivals(sizes, amp=True) if device == 'cuda' else {}}.items():
        with attempt(result, name):
            peaks = measure()
            result[name] = {who: round(peak / 2**20, 1) for who, peak in peaks.items()}
        clean_up()


def distributed(result: Result, sizes: Sizes, device: str) -> None:
    """Steps of one process with its own communication: NCCL and SyncBN on a GPU, gloo on a CPU, which has no SyncBN.

    With one process there is nobody to exchange with: losses have to be those of a plain model.
    """
    backend = 'nccl' if device == 'cuda' else 'gloo'
    with tempfile.TemporaryDirectory() as folder:
        torch.distributed.init_process_group(backend, init_method=f'file://{folder}/store', rank=0, world_size=1)
        try:
            for name, amp in (('fp32', None), ('AMP', 'bfloat16')):
                with attempt(result, name):
                    result[name] = dict(backend=backend, **_compare_distributed(sizes, device, amp))
        finally:
            torch.distributed.destroy_process_group()


def _compare_distributed(sizes: Sizes, device: str, amp: Optional[str]) -> Result:
    torch.manual_seed(0)
    plain = our_trainer(sizes, device, amp)
    wrapped = our_trainer(sizes, device, amp)
    wrapped.model.load_state_dict(plain.model.state_dict())
    model = nn.SyncBatchNorm.convert_sync_batchnorm(wrapped.model) if device == 'cuda' else wrapped.model
    wrapped.model = MMDistributedDataParallel(
        model, device_ids=[torch.cuda.current_device()] if device == 'cuda' else None, broadcast_buffers=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        losses = [[float(trainer.step()['loss']) for trainer in (plain, wrapped)] for _ in range(3)]
    return dict(sync_batch_norms=sum(isinstance(module, nn.SyncBatchNorm) for module in model.modules()),
                losses=losses, warnings=sorted({str(warning.message)[:200] for warning in caught}))
