"""Time a model on this machine: crops in memory to joints, without reading, detection or drawing; or, with --video, all of it.

  rsn-mm benchmark --pose rsn18_coco_256x192 --random-weights
  rsn-mm benchmark --pose rsn18.onnx --runtime openvino --people 1
  rsn-mm benchmark --pose rsn18.onnx --video people.mp4 --det-every 5

Weights do not change the time, so random ones will do.
"""
import argparse
import statistics
import time
from typing import Any, Callable, List

from .arguments import add_detector, add_model, add_runtime, add_video, positive, video_options

HELP = "time a model's network on this machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_runtime(parser)
    parser.add_argument('--people', type=positive, default=10, metavar='N',
                        help='people in a frame, who make one batch (default: %(default)s)')
    parser.add_argument('--frames', type=positive, default=20, metavar='N', help='frames to time (default: %(default)s)')

    add_detector(parser)
    add_video(parser).add_argument('--video', metavar='FILE', help='read it as fast as possible for frames/s, then at its own '
                                   'speed, as from a camera, for the latency: frame in to joints out')


def run(args: argparse.Namespace) -> int:
    if args.video is not None:
        return time_video(args)
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


def time_video(args: argparse.Namespace) -> int:
    """Frames/s and latency of a video, printed."""
    from ..apis import PoseInferencer
    from ..apis.live import Played
    from ..apis.videos import VideoFile, check_ends
    from .main import FAILURE, SUCCESS
    check_ends('--video', args.video)
    inferencer = PoseInferencer(
        args.pose, args.weights, args.det, args.det_weights, args.device, args.runtime, flip_test=args.flip_test or None,
        box_threshold=args.box_threshold, nms_threshold=args.nms_threshold, random_weights=args.random_weights,
        precision=args.precision)
    options = video_options(args)
    with inferencer(args.video, **options) as warming:  # the first batch loads and compiles
        next(warming, None)
    start = time.perf_counter()
    stream = inferencer(args.video, **options)
    with stream:
        people = sum(len(result) for result in stream)
    seconds, frames = time.perf_counter() - start, stream.num_frames
    if frames == 0:
        return FAILURE
    print(f'{args.pose} on {inferencer.model.device}, detected every {args.det_every} frames, '
          f'{"smooth" if options["smooth"] else "tracked" if args.track else "not tracked"}: {frames / seconds:.1f} '
          f'frames/s, {people / frames:.1f} people a frame')
    latencies, indices = [], []
    with inferencer(Played(VideoFile(args.video)), **options) as live:
        for result in live:
            latencies.append(1e3 * result.latency)
            indices.append(result.frame_index)
    slowest = sorted(latencies)[int(0.95 * (len(latencies) - 1))]
    print(f'at its own speed: {statistics.median(latencies):.0f} ms from a frame to its joints (95 % within {slowest:.0f}), '
          f'{len(indices)} of {indices[-1] + 1} frames shown')
    return FAILURE if stream.skipped else SUCCESS


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
