"""How far joints move when exported files compute them, in float32 and in int8, and which of them.

Only a trained network has heatmaps with peaks, and so a displacement that means something: give --config, --checkpoint and
--images, a folder of photos of one person each. Without them a network of random weights looks at drawn people. The weights
of rsn18_lspet_128x96 are part of the package.
"""
import tempfile
from pathlib import Path
from typing import Optional

import cv2
import numpy as np
import torch
from common import Report, parser, same_network

from rsn_mm.apis.pose_models import load_estimator
from rsn_mm.deploy import Joints, export_onnx, load_runtime, quantize
from rsn_mm.synthetic import make_people


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument('--config', help='name or path of a trained model')
    arguments.add_argument('--checkpoint', help='its weights, where they are not part of the package')
    arguments.add_argument('--images', type=Path, help='folder of photos, one person each')
    arguments.add_argument('--calibration', type=int, default=100, help='images to calibrate with; the rest is measured')
    args = arguments.parse_args()
    if args.checkpoint and not args.config:
        arguments.error('--checkpoint needs --config')
    model = load_model(args.config, args.checkpoint)
    report = Report('int8', 'Displacement of joints from those of PyTorch, in px of the input')
    with tempfile.TemporaryDirectory() as folder:
        crops = read_crops(args.images or draw_people(Path(folder)), model.head.decoder.input_size)
        calibration, crops = crops[:args.calibration], crops[args.calibration:]
        if not len(crops):
            arguments.error(f'--calibration {args.calibration} leaves no image to measure with')
        float_file, int8_file = Path(folder) / 'float32.onnx', Path(folder) / 'int8.onnx'
        export_onnx(model, float_file)
        quantize(float_file, int8_file, calibration)
        reference = load_runtime(model)(crops)
        everyone = np.ones_like(reference.scores, dtype=bool)
        sure = reference.scores > np.median(reference.scores)
        for name in ('openvino', 'onnxruntime'):
            add_row(report, f'{name} float32, all joints', load_runtime(float_file, name)(crops), reference, everyone)
            joints = load_runtime(int8_file, name)(crops)
            add_row(report, f'{name} int8, all joints', joints, reference, everyone)
            add_row(report, f'{name} int8, the half with the higher scores', joints, reference, sure)
    weights = 'random weights, whose heatmaps have no clear peaks'
    if args.config:
        weights = f'weights of {args.checkpoint or args.config}'
    report.note(f'{len(crops)} crops, {weights}; median score of a joint {np.median(reference.scores):.3f} '
                '(0.5: no peak, 1.5: a perfect one). Calibrated on other crops.')
    report.write(args.out)


def load_model(config: Optional[str], checkpoint: Optional[str]) -> torch.nn.Module:
    if config is None:
        return same_network()[1]
    return load_estimator(config, checkpoint)


def draw_people(folder: Path) -> Path:
    return make_people(folder / 'people', num_train=200, num_val=1, seed=0, max_people=1).train_images


def read_crops(folder: Path, input_size: tuple) -> np.ndarray:
    """The photos, scaled to fit the input and padded with black, in random order."""
    width, height = input_size
    crops = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in ('.jpg', '.jpeg', '.png')):
        image = cv2.imread(str(path))
        scale = min(width / image.shape[1], height / image.shape[0])
        shift = (np.array([width, height]) - scale * np.array(image.shape[1::-1])) / 2
        crops.append(cv2.warpAffine(image, np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), (width, height)))
    return np.random.default_rng(0).permutation(np.stack(crops))


def add_row(report: Report, what: str, joints: Joints, reference: Joints, chosen: np.ndarray) -> None:
    moved = np.linalg.norm(joints.keypoints - reference.keypoints, axis=-1)
    on_average = np.mean(np.average(moved, axis=1, weights=chosen + 1e-9) < 1)
    moved = moved[chosen]
    shares = {f'within {limit:g} px': float((moved < limit).mean()) for limit in (0.1, 1, 2)}
    quantiles = {f'{share} %': float(np.quantile(moved, share / 100)) for share in (50, 90, 99)}
    report.add_values(what, **shares, **{'crops, 1 px on average': float(on_average)}, **quantiles)


if __name__ == '__main__':
    main()
