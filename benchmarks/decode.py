"""Heatmaps to joints: stock MMPose's ``MegviiHeatmap``, person by person, and ``QuarterOffsetHeatmap`` on a batch."""
from typing import Dict

import numpy as np
import torch
from common import STOCK_KERNELS, Report, parser, same_network, take_turns
from mmpose.codecs import MegviiHeatmap

from rsn_mm.codecs import QuarterOffsetHeatmap

INPUT_SIZE, HEATMAP_SIZE = (192, 256), (48, 64)
NUM_KEYPOINTS = 17


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument('--batch-size', type=int, default=64, help='persons of a batch')
    args = arguments.parse_args()
    stock = MegviiHeatmap(INPUT_SIZE, HEATMAP_SIZE, STOCK_KERNELS[-1])
    ours = QuarterOffsetHeatmap(INPUT_SIZE, HEATMAP_SIZE, STOCK_KERNELS[-1], blur_kernel_size=5)

    report = Report('decode', f'Decoding of {NUM_KEYPOINTS} heatmaps of 64x48, batch of {args.batch_size}: ms a person')
    for what, heatmaps in make_heatmaps(args.batch_size).items():
        on_device = heatmaps.cuda() if torch.cuda.is_available() else heatmaps
        rivals = dict(
            stock=lambda maps=on_device: [stock.decode(person) for person in maps.cpu().numpy()],
            ours=lambda maps=heatmaps: ours.batch_decode(maps),
            one=lambda maps=heatmaps: [ours.batch_decode(person[None]) for person in maps])
        if on_device.is_cuda:
            rivals['device'] = lambda maps=on_device: ours.batch_decode(maps)
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


if __name__ == '__main__':
    main()
