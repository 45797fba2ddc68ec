"""Arguments that several subcommands have."""
import argparse

# As in rsn_mm.deploy; written out so that --help does not wait for it.
RUNTIMES = ('torch', 'onnxruntime', 'openvino')
PRECISIONS = ('auto', 'float32', 'bfloat16', 'float16', 'int8')


def add_model(parser: argparse.ArgumentParser, exported: bool = True) -> None:
    """``pose``, ``weights`` and ``random_weights``."""
    also = ', or an exported .onnx or .xml file' if exported else ''
    parser.add_argument('--pose', default='rsn18_coco_256x192', metavar='MODEL',
                        help=f'name or path of a config, a model of MMPose{also} (default: %(default)s)')
    parser.add_argument('--weights', metavar='FILE',
                        help='checkpoint; needed with a config, except rsn18_lspet_128x96, whose weights come along')
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


def add_detector(parser: argparse.ArgumentParser, otherwise: str) -> argparse._ArgumentGroup:
    """``det``, ``det_weights``, ``box_threshold`` and ``nms_threshold``, in a group that is returned."""
    boxes = parser.add_argument_group(f'boxes of the people (default: {otherwise})')
    boxes.add_argument('--det', metavar='MODEL', help='name or config of an MMDetection detector')
    boxes.add_argument('--det-weights', metavar='FILE', help='its checkpoint')
    boxes.add_argument('--box-threshold', type=float, default=0.3, metavar='SCORE',
                       help='leave out detections below (default: %(default)s)')
    boxes.add_argument('--nms-threshold', type=float, default=0.3, metavar='IOU',
                       help='leave out detections that overlap a better one more than this (default: %(default)s)')
    return boxes


def positive(text: str) -> int:
    """argparse type: an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f'{text} is not at least 1')
    return value
