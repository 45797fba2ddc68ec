"""Heatmaps to joints: stock MMPose's ``MegviiHeatmap``, person by person, and ``QuarterOffsetHeatmap`` on a batch.

``--people`` adds heatmaps of people on photos by the model that comes with the package: at 128x96, as it was trained, and at
256x192, where its peaks are twice as wide as they would be; or by ``--model``, at its own size.
"""
from pathlib import Path
from typing import Dict, Tuple

import cv2
import numpy as np
import torch
from common import STOCK_KERNELS, Report, parser, same_network, take_turns
from mmpose.codecs import MegviiHeatmap
from mmpose.models import TopdownPoseEstimator
from mmpose.structures import PoseDataSample

from rsn_mm.apis.crops import CropRule
from rsn_mm.apis.pose_models import PADDING, load_estimator
from rsn_mm.apis.zoo import SHIPPED
from rsn_mm.codecs import QuarterOffsetHeatmap
from rsn_mm.json_files import read_json

INPUT_SIZE, HEATMAP_SIZE = (192, 256), (48, 64)
NUM_KEYPOINTS = 17


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument('--batch-size', type=int, default=64, help='persons of a batch')
    arguments.add_argument('--people', nargs=2, type=Path, metavar=('ANNOTATIONS', 'IMAGES'), help='one person a photo')
    arguments.add_argument('--model', nargs=2, metavar=('CONFIG', 'WEIGHTS'), help='for --people, with a quarter offset codec')
    args = arguments.parse_args()
    report = Report('decode', f'Decoding of {NUM_KEYPOINTS} heatmaps of 64x48, batch of {args.batch_size}: ms a person')
    all_heatmaps = make_heatmaps(args.batch_size)
    if args.people:
        model = load_estimator(*(args.model or (SHIPPED, None)))
        for size in [model.head.decoder.input_size] if args.model else (INPUT_SIZE, (96, 128)):
            heatmaps = trained_heatmaps(model, *args.people, args.batch_size, size)
            all_heatmaps[f'trained network at {size[1]}x{size[0]}'] = heatmaps
    for what, heatmaps in all_heatmaps.items():
        size = heatmaps.shape[:1:-1]
        input_size, full = (4 * size[0], 4 * size[1]), size == HEATMAP_SIZE
        stock = MegviiHeatmap(input_size, size, STOCK_KERNELS[-1] if full else 3)
        ours = QuarterOffsetHeatmap(input_size, size, STOCK_KERNELS[-1] if full else 3, blur_kernel_size=5 if full else 3)
        on_device = heatmaps.cuda() if torch.cuda.is_available() else heatmaps
        rivals = dict(
            stock=lambda maps=on_device, stock=stock: [stock.decode(person) for person in maps.cpu().numpy()],
            ours=lambda maps=heatmaps, ours=ours: ours.batch_decode(maps),
            one=lambda maps=heatmaps, ours=ours: [ours.batch_decode(person[None]) for person in maps])
        if on_device.is_cuda:
            rivals['device'] = lambda maps=on_device, ours=ours: ours.batch_decode(maps)
        timings = take_turns(rivals, rounds=args.rounds)
        rows = dict(stock='mmpose.MegviiHeatmap', ours='rsn_mm.QuarterOffsetHeatmap, on the CPU',
                    one='rsn_mm.QuarterOffsetHeatmap, on the CPU, one person at a time',
                    device='rsn_mm.QuarterOffsetHeatmap, on the GPU')
        for name, timing in timings.items():
            report.add(f'{what}: {rows[name]}', timing, per=args.batch_size,
                       baseline=None if name == 'stock' else timings['stock'])
    report.note('Both decoders average nothing and read float32. `MegviiHeatmap` fetches heatmaps from the device first.')
    report.write(args.out)


def make_heatmaps(batch_size: int) -> Dict[str, torch.Tensor]:
    """Heatmaps (B, K, 64, 48): as of a trained network, of one with random weights, and noise."""
    rng = np.random.default_rng(0)
    shape = (batch_size, NUM_KEYPOINTS, 1, 1)
    width, height = HEATMAP_SIZE
    x, y = rng.uniform(0, width, shape), rng.uniform(0, height, shape)
    squares = (np.arange(width) - x)**2 + (np.arange(height)[:, None] - y)**2
    peaks = rng.uniform(20, 240, shape) * np.exp(-squares / (2 * rng.uniform(1.2, 2.2, shape)**2))
    noise = rng.normal(0, 1, peaks.shape)
    torch.manual_seed(0)
    _, model = same_network()
    images = torch.randn(batch_size, 3, *INPUT_SIZE[::-1])
    with torch.no_grad():
        untrained = torch.cat([model.head.forward_last(model.backbone(some)) for some in images.split(8)])
    return {
        'peaks on noise': torch.from_numpy((peaks + 2 * noise).astype(np.float32)),
        'untrained network': untrained,
        'noise': torch.from_numpy((50 * noise).astype(np.float32)),
    }


def trained_heatmaps(model: TopdownPoseEstimator, annotations: Path, images: Path, count: int,
                     input_size: Tuple[int, int]) -> torch.Tensor:
    """Heatmaps (B, K, h / 4, w / 4) of the first people of a file."""
    content = read_json(annotations)
    names = {image['id']: image['file_name'] for image in content['images']}
    rule = CropRule(input_size, PADDING)
    crops = []
    for person in content['annotations'][:count]:
        x, y, width, height = person['bbox']
        image = cv2.imread(str(images / names[person['image_id']]))
        crops.append(rule.crop(image, np.float32([[x, y, x + width, y + height]])))
    inputs = torch.from_numpy(np.concatenate(crops)).permute(0, 3, 1, 2)
    with torch.no_grad():
        ready = model.data_preprocessor(dict(inputs=list(inputs), data_samples=[PoseDataSample() for _ in inputs]))['inputs']
        return torch.cat([model.head.forward_last(model.backbone(some)) for some in ready.split(8)]).contiguous()


if __name__ == '__main__':
    main()
