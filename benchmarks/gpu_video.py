"""The part 'video' of ``gpu.py``: PoseInferencer from file to joints beside MMPoseInferencer, 1280x720, 10 people a frame.

Both get the boxes of every frame. In the second half a detector of MMDetection runs before them, whose weights are random, so
that its own boxes are thrown away.
"""
import tempfile
from pathlib import Path
from typing import Callable, Dict

import torch
from common import same_network, take_turns
from detecting import Clip, DetectsForNothing, StockDetectsForNothing
from gpu_parts import Result, attempt
from mmpose.apis import MMPoseInferencer
from video import GivenDetector, count, make_scene, stock_config, with_detector, write_video

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.configs import find_model
from rsn_mm.apis.detectors import MMDetDetector
from rsn_mm.deploy.cuda_graphs import batch_sizes

STOCK = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_rsn{}_8xb32-210e_coco-256x192.py'
OURS = 'rsn{}_coco_256x192'
DETECTOR = 'rtmdet_tiny_8xb32-300e_coco'


def video(result: Result, device: str, depth: int, num_frames: int, rounds: int) -> None:
    """Frames/s, with boxes given and with a detector."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stock, _ = same_network(depth)
        torch.save(dict(meta={}, state_dict=stock.state_dict()), folder / 'weights.pth')
        clip = Clip(folder / 'people.mp4', write_video(folder / 'people.mp4', make_scene(), num_frames))
        rivals: Dict[str, Callable[[], int]] = {}
        for precision in ('auto', 'float32'):
            with attempt(result, f'ours {precision}'):
                inferencer = PoseInferencer(OURS.format(depth), str(folder / 'weights.pth'), device=device, precision=precision)
                _warm_up(inferencer)
                rivals[f'ours {precision}'] = lambda inferencer=inferencer: count(inferencer(clip.path, boxes=clip.boxes))
        with attempt(result, 'stock'):
            rivals['stock'] = _stock(folder, clip, device, depth, 'whole_image')
        _time(result, rivals, num_frames, rounds)
        rivals.clear()
        with attempt(result, 'ours, detector'):
            find_model(DETECTOR, 'mmdet').config.dump(folder / 'detector.py')  # without the weights that its name stands for
            detector = MMDetDetector(str(folder / 'detector.py'), None, device, random_weights=True)
            torch.save(dict(meta={}, state_dict=detector.model.state_dict()), folder / 'detector.pth')
            detecting = PoseInferencer(OURS.format(depth), str(folder / 'weights.pth'), device=device)
            _warm_up(detecting)
            detecting.detector = DetectsForNothing(detector, clip.boxes)
            rivals['ours, detector'] = lambda: count(detecting(clip.path))
        with attempt(result, 'stock, detector'):
            rivals['stock, detector'] = _stock(folder, clip, device, depth, str(folder / 'detector.py'))
        _time(result, rivals, num_frames, rounds)


def _warm_up(inferencer: PoseInferencer) -> None:
    """Batches of all sizes. Which of them come depends on what is ready, and the first of a size chooses kernels."""
    runtime = inferencer.model.runtime
    if runtime.asynchronous:
        for size in batch_sizes(runtime.max_batch):
            crops = runtime.empty_crops(size)
            crops[:] = 0
            runtime(crops)


def _stock(folder: Path, clip: Clip, device: str, depth: int, detector: str) -> Callable[[], int]:
    stock_config(STOCK.format(depth)).dump(folder / 'stock.py')
    own = {} if detector == 'whole_image' else dict(det_weights=str(folder / 'detector.pth'), det_cat_ids=[0])
    inferencer = MMPoseInferencer(pose2d=str(folder / 'stock.py'), pose2d_weights=str(folder / 'weights.pth'), device=device,
                                  det_model=detector, **own)
    given = StockDetectsForNothing(inferencer.inferencer.detector, clip.boxes) if own else GivenDetector(clip.boxes)
    return with_detector(inferencer, given, clip.path)


def _time(result: Result, rivals: Dict[str, Callable[[], int]], num_frames: int, rounds: int) -> None:
    for name in list(rivals):  # one that fails does not stop the others; graphs are captured here
        with attempt(result, name):
            if rivals[name]() != num_frames:
                raise RuntimeError(f'not a result for each of {num_frames} frames')
            continue
        del rivals[name]
    rates = result.setdefault('frames_per_s', {})
    for name, timing in take_turns(rivals, rounds=rounds, warmup=0).items():
        rates[name] = round(num_frames / timing.median, 1)
    for name in ('', ', detector'):
        ours, stock = rates.get(f'ours auto{name}', rates.get(f'ours{name}')), rates.get(f'stock{name}')
        if ours and stock:
            result[f'speedup{name}'] = round(ours / stock, 2)
