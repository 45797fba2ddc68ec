"""Poses from pictures, folders, patterns, videos and cameras.

  rsn-mm predict people.jpg --out poses
  rsn-mm predict clips/*.mp4 --pose rsn50 --det rtmdet_tiny_8xb32-300e_coco --out poses
  rsn-mm predict one_person.jpg --pose my_config.py --weights epoch_200.pth --det whole --out poses
  rsn-mm predict photos --pose rsn18.onnx --runtime onnxruntime --boxes detections.json --out poses
  rsn-mm predict dance.mp4 --track --smooth --out poses

The folder --out gets predictions.json (COCO-style) and the pictures and videos with the poses drawn in. Ctrl-C leaves
whole files with what has been done so far.
"""
import argparse
import os
import sys
from typing import List, Union

from .arguments import add_detector, add_model, add_runtime, add_video, positive, video_options
from .starting import without_garbage_collection

HELP = 'poses from pictures and video'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('inputs', nargs='+', metavar='INPUT',
                        help='picture, video, folder, quoted pattern, URL, or number of a camera')
    add_model(parser, default=None)
    add_runtime(parser)
    boxes = add_detector(parser)
    boxes.add_argument('--boxes', metavar='FILE', help='COCO detections (JSON) in place of a detector')
    output = parser.add_argument_group('output')
    output.add_argument('--out', metavar='FOLDER', help='folder for predictions.json, pictures and videos')
    output.add_argument('--no-overlays', action='store_true', help='write predictions.json alone')
    output.add_argument('--score-threshold', type=float, metavar='SCORE',
                        help='do not draw keypoints below (default: what suits the codec)')
    output.add_argument('--no-progress', action='store_true', help='no progress bar')
    add_video(parser)
    parser.add_argument('--batch-size', type=positive, metavar='N',
                        help='most persons in one batch (default: 16 on a CPU; 64 on a GPU, 32 with --flip-test)')


def run(args: argparse.Namespace) -> int:
    from .main import FAILURE, SUCCESS
    with without_garbage_collection():
        from ..apis import PoseInferencer  # MMPose takes seconds to import
        inferencer = PoseInferencer(
            args.pose, args.weights, args.det, args.det_weights, args.device, args.runtime, flip_test=args.flip_test or None,
            batch_size=args.batch_size, box_threshold=args.box_threshold, nms_threshold=args.nms_threshold,
            random_weights=args.random_weights, precision=args.precision)
    if args.pose is None:
        print(f'{inferencer.model.name} on {inferencer.model.device}', file=sys.stderr)
    stream = inferencer(_cameras(args.inputs), args.boxes, args.out, overlays=not args.no_overlays,
                        score_threshold=args.score_threshold, progress=not args.no_progress, **video_options(args))
    try:
        with stream:
            for _ in stream:
                pass
    finally:
        where = f' in {args.out}' if args.out else ''
        print(f'{stream.num_poses} poses of {stream.num_frames} frames{where}; {len(stream.skipped)} inputs and '
              f'{stream.num_skipped_boxes} boxes skipped', file=sys.stderr)
    return FAILURE if stream.skipped or stream.num_skipped_boxes else SUCCESS


def _cameras(inputs: List[str]) -> List[Union[str, int]]:
    """Numbers are cameras, unless there is such a file."""
    return [int(one) if one.isdecimal() and not os.path.exists(one) else one for one in inputs]
