"""Arguments that several subcommands have."""
import argparse
import math
from contextlib import suppress
from typing import Any, Dict, Optional

from ..apis.zoo import SHIPPED

# As in rsn_mm.deploy; written out so that --help does not wait for it.
RUNTIMES = ('torch', 'onnxruntime', 'openvino')
PRECISIONS = ('auto', 'float32', 'bfloat16', 'float16', 'int8')


def add_model(parser: argparse.ArgumentParser, exported: bool = True, default: Optional[str] = 'rsn18_coco_256x192') -> None:
    """``pose``, ``weights`` and ``random_weights``. Without ``default``, the best model that the machine runs is taken."""
    also = ', or an exported .onnx or .xml file' if exported else ''
    otherwise = default or 'the best that this machine runs at a usable speed; which is printed'
    parser.add_argument('--pose', default=default, metavar='MODEL',
                        help=f'name (rsn-mm models lists them) or path of a config, a model of MMPose{also} (default: '
                        f'{otherwise})')
    parser.add_argument('--weights', metavar='FILE',
                        help=f'checkpoint (default: those that belong to the name; all but those of {SHIPPED}, which come '
                        'along, are downloaded once)')
    parser.add_argument('--random-weights', action='store_true', help='do without a checkpoint, to try things out')


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """``runtime``, ``device``, ``precision`` and ``flip_test``."""
    parser.add_argument('--runtime', choices=RUNTIMES,
                        help='what computes (default: torch, or what suits the exported file)')
    parser.add_argument('--device', help='cpu, cuda, cuda:1 (default: the GPU if there is one that the runtime can use)')
    parser.add_argument('--precision', choices=PRECISIONS, default='auto',
                        help='what the network computes in (default: auto: float32 on a CPU, float16 on a GPU with tensor '
                        'cores, int8 for a file of that)')
    parser.add_argument('--flip-test', action='store_true', help='average with the mirrored picture; twice the time')


def add_detector(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """``det``, ``det_weights``, ``box_threshold`` and ``nms_threshold``, in a group that is returned."""
    boxes = parser.add_argument_group('boxes of the people')
    boxes.add_argument('--det', metavar='MODEL',
                       help='name or config of an MMDetection detector, or "whole": one person fills each picture (default: '
                       'RTMDet for people, nano on a CPU and m on a GPU, downloaded once)')
    boxes.add_argument('--det-weights', metavar='FILE', help='its checkpoint')
    boxes.add_argument('--box-threshold', type=float, default=0.3, metavar='SCORE',
                       help='leave out detections below (default: %(default)s)')
    boxes.add_argument('--nms-threshold', type=float, default=0.3, metavar='IOU',
                       help='leave out detections that overlap a better one more than this (default: %(default)s)')
    return boxes


def add_video(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """``det_every``, ``track``, ``smooth`` and ``smooth_strength``, in a group that is returned."""
    video = parser.add_argument_group('video')
    video.add_argument('--det-every', type=positive, default=1, metavar='N',
                       help='detect in every Nth frame; in between boxes follow the joints (default: %(default)s)')
    video.add_argument('--track', action='store_true', help='number the people: track_id in the file, a colour each')
    video.add_argument('--smooth', action='store_true', help='calm the joints (one-euro filter); tracks, too')
    video.add_argument('--smooth-strength', type=strength, metavar='STRENGTH',
                       help='the same; 2 is calmer and later than 1, the default, 0.5 the opposite')
    return video


def video_options(args: argparse.Namespace) -> Dict[str, Any]:
    """Arguments of a :class:`PoseInferencer`'s call from those of :func:`add_video`."""
    return dict(track=args.track, det_every=args.det_every,
                smooth=args.smooth if args.smooth_strength is None else args.smooth_strength)


def positive(text: str) -> int:
    """argparse type: an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number of at least 1')
    return int(text)


def strength(text: str) -> float:
    """argparse type: a finite number above 0."""
    with suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f'{text!r} is no number above 0')
