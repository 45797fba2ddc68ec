"""Write a model as one ONNX file, from crops to joints, for ONNX Runtime and OpenVINO.

  rsn-mm export rsn18.onnx --pose rsn18_coco_256x192 --weights rsn18.pth
  rsn-mm export rsn18_half.onnx --weights rsn18.pth --precision float16
  rsn-mm export rsn18_int8.onnx --weights rsn18.pth --int8 photos --int8-boxes detections.json
  rsn-mm predict people.mp4 --pose rsn18.onnx --runtime openvino --out poses

Normalisation, decoder and, if asked for, the flip test are inside the file. For int8, 100 to 300 people in pictures like
those to come show which numbers occur.
"""
import argparse
import tempfile
from pathlib import Path

from .arguments import PRECISIONS, add_model

HELP = 'write a model as an ONNX file'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('out', metavar='FILE.onnx', help='file to write, in a folder that exists')
    add_model(parser, exported=False)
    parser.add_argument('--flip-test', action='store_true', help='average with the mirrored picture; twice the time')
    parser.add_argument('--outputs', choices=('joints', 'heatmaps', 'both'), default='joints',
                        help='what the file gives (default: %(default)s)')
    parser.add_argument('--precision', choices=PRECISIONS, default='auto',
                        help='of the file (default: auto: float32, or int8 with --int8)')
    parser.add_argument('--int8', nargs='+', metavar='INPUT', help='quantise; pictures, folders or videos of people')
    parser.add_argument('--int8-boxes', metavar='FILE',
                        help='COCO detections (JSON) in them (default: each picture is one person)')


def run(args: argparse.Namespace) -> int:
    from ..apis.calibration import people_crops  # MMPose takes seconds to import
    from ..apis.crops import CropRule
    from ..apis.pose_models import load_estimator
    from ..deploy import export_onnx, quantize
    from ..files import new_file
    from .main import SUCCESS
    if not args.out.endswith('.onnx'):
        raise ValueError(f'{args.out!r} does not end in .onnx.')
    new_file('FILE.onnx', args.out)  # said before a model is loaded, maybe downloaded
    if args.int8_boxes and not args.int8:
        raise ValueError('--int8-boxes is for --int8: give the pictures that the boxes are in.')
    if args.precision == 'int8' and not args.int8:
        raise ValueError('--precision int8 needs pictures that show which numbers occur: give them as --int8 PICTURES.')
    if args.int8 and args.precision not in ('auto', 'int8'):
        raise ValueError(f'--int8 writes an int8 file, and --precision is {args.precision}. Leave one of them out.')
    estimator = load_estimator(args.pose, args.weights, random_weights=args.random_weights)
    if args.int8 is None:
        metadata = export_onnx(estimator, args.out, outputs=args.outputs, flip_test=args.flip_test, precision=args.precision)
    else:
        rule = CropRule.from_pipeline(estimator.cfg.test_dataloader.dataset.pipeline)
        crops = people_crops(args.int8, rule, args.int8_boxes)
        with tempfile.TemporaryDirectory() as folder:
            float32 = Path(folder) / 'float32.onnx'
            export_onnx(estimator, float32, outputs=args.outputs, flip_test=args.flip_test)
            metadata = quantize(float32, args.out, crops)
    width, height = metadata.input_size
    print(f'{args.out}: {metadata.precision}, crops of {width}x{height} px to {", ".join(metadata.outputs)} of '
          f'{metadata.num_keypoints} keypoints')
    return SUCCESS
