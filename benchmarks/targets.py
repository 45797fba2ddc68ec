"""Target heatmaps: stock MMPose's ``MegviiHeatmap``, and here in a worker and on the device; time and size per person."""
import pickle
from typing import Any, List, Tuple

import numpy as np
import torch
from common import STOCK_KERNELS, Report, parser, take_turns
from mmpose.codecs import MegviiHeatmap
from mmpose.datasets.transforms import GenerateTarget as StockGenerateTarget
from mmpose.datasets.transforms import PackPoseInputs

from rsn_mm.codecs import DeviceTargets, GaussianTargets
from rsn_mm.transforms import GenerateTarget

SIZES = dict(input_size=(192, 256), heatmap_size=(48, 64))
NUM_KEYPOINTS = 17


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument('--batch-size', type=int, default=64, help='persons of a batch')
    args = arguments.parse_args()
    people = make_people(args.batch_size)
    stock = [MegviiHeatmap(kernel_size=kernel, **SIZES) for kernel in STOCK_KERNELS]
    ours = GenerateTarget(encoder=codec_cfgs('rsn_mm.QuarterOffsetHeatmap'), multilevel=True)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    tables = DeviceTargets(GaussianTargets(kernel_sizes=STOCK_KERNELS, **SIZES)).to(device)
    joints = torch.from_numpy(np.concatenate([np.concatenate([xy, visible[..., None]], axis=-1) for xy, visible in people]))

    def on_device() -> None:
        drawn = tables(joints.to(device, non_blocking=True))
        for level in range(drawn.num_levels):
            drawn.level(level)

    # Targets are dropped one by one, as when a worker has sent them: to keep them would time the system's fresh memory.
    def in_stock_worker() -> None:
        for person in people:
            for codec in stock:
                codec.encode(*person)

    def in_worker() -> None:
        for xy, visible in people:
            ours(dict(keypoints=xy, keypoints_visible=visible))

    timings = take_turns(dict(stock=in_stock_worker, worker=in_worker, device=on_device), rounds=args.rounds)

    report = Report('targets', f'Targets of {len(STOCK_KERNELS)} levels, {NUM_KEYPOINTS} joints, 256x192: ms a person')
    report.add('mmpose.MegviiHeatmap, in a worker', timings['stock'], per=len(people),
               bytes=sample_bytes(people[0], StockGenerateTarget(encoder=codec_cfgs('MegviiHeatmap'), multilevel=True)))
    report.add('rsn_mm.GenerateTarget, in a worker', timings['worker'], per=len(people), baseline=timings['stock'],
               bytes=sample_bytes(people[0], ours))
    report.add(f'rsn_mm.DeviceTargets, on the device ({device})', timings['device'], per=len(people),
               baseline=timings['stock'], bytes=sample_bytes(people[0], dict))
    report.note('`bytes`: the pickled data sample of one person without its image, which takes 147,456.')
    report.write(args.out)


def make_people(count: int) -> List[Tuple[np.ndarray, np.ndarray]]:
    """Joints (1, K, 2) all over the input, and their visibility (1, K)."""
    rng = np.random.default_rng(0)
    shape = (1, NUM_KEYPOINTS)
    last = np.array(SIZES['input_size']) - 1
    return [(rng.uniform(0, last, (*shape, 2)).astype(np.float32), np.ones(shape, np.float32)) for _ in range(count)]


def codec_cfgs(kind: str) -> List[dict]:
    return [dict(type=kind, kernel_size=kernel, **SIZES) for kernel in STOCK_KERNELS]


def sample_bytes(person: Tuple[np.ndarray, np.ndarray], make_targets: Any) -> int:
    """Size of what a worker sends beside the image when ``make_targets`` is its last step before packing."""
    xy, visible = person
    results = make_targets(dict(keypoints=xy, transformed_keypoints=xy, keypoints_visible=visible))
    sample = PackPoseInputs(pack_transformed=True)(dict(results, img=np.zeros((1, 1, 3), np.uint8)))['data_samples']
    # Levels may be views of one array, which counts once; as NumPy arrays they are pickled one by one.
    return len(pickle.dumps(sample.numpy()))


if __name__ == '__main__':
    main()
