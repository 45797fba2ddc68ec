"""Time a model on this machine: crops in memory to joints, without reading, detection or drawing.

  rsn-mm benchmark --pose rsn18_coco_256x192 --random-weights
  rsn-mm benchmark --pose rsn18.onnx --runtime openvino --people 1

Weights do not change the time, so random ones will do.
"""
import argparse
import statistics
import time
from typing import Any, Callable, List

from .arguments import add_model, add_runtime, positive

HELP = "time a model's network on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_runtime(parser)
    parser.add_argument('--people', type=positive, default=10, metavar='N',
                        help='people in a frame, who make one batch (default: %(default)s)')
    parser.add_argument('--frames', type=positive, default=20, metavar='N', help='frames to time (default: %(default)s)')


def run(args: argparse.Namespace) -> int:
    import numpy as np

    from ..apis.pose_models import load_pose_model
    from .main import SUCCESS
    model = load_pose_model(args.pose, args.weights, args.runtime, args.device, args.flip_test or None, args.people,
                            args.random_weights, args.precision)
    width, height = model.crops.input_size
    crops = np.random.default_rng(0).integers(0, 256, (args.people, height, width, 3), dtype=np.uint8)
    seconds = timed(lambda: model.runtime(crops), args.frames)
    median = statistics.median(seconds)
    print(f'{args.pose} at {height}x{width}, {args.runtime or "default runtime"}, {model.device}, '
          f'{model.runtime.precision}: '
          f'{1e3 * median / args.people:.2f} ms a person, {1 / median:.1f} frames/s with {args.people} people '
          f'(median of {args.frames}; fastest {1e3 * min(seconds):.1f} ms a frame, slowest {1e3 * max(seconds):.1f})')
    return SUCCESS


def timed(function: Callable[[], Any], rounds: int, warmup: int = 2) -> List[float]:
    """Seconds of each call, after ``warmup`` calls. The result must be on the CPU, so that a GPU is waited for."""
    for _ in range(warmup):
        function()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return seconds
