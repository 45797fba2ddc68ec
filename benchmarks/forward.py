"""The network alone, from image tensor to the heatmaps that are decoded: stock MMPose, rsn_mm, and rsn_mm fused.

    python benchmarks/forward.py [--depth 18] [--num-stages 1] [--batch-size 8] [--wide] [--compile]

The floor beside each row is the time that its multiplications would take in one large matrix product on the same cores.
"""
import copy
from typing import Any, Callable, Dict

import torch
from common import Report, parser, same_network, take_turns
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rsn_mm.deploy import fuse
from rsn_mm.models import RSN

MATRIX = 2048
TOLERANCE = 1e-4  # of the largest heatmap value


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument('--depth', type=int, choices=(18, 50, 101), default=18)
    arguments.add_argument('--num-stages', type=int, default=1)
    arguments.add_argument('--input-size', type=int, nargs=2, default=(192, 256), metavar=('W', 'H'))
    arguments.add_argument('--batch-size', type=int, default=8)
    arguments.add_argument('--pad', type=int, nargs='*', default=[], help='also pad the branches to multiples of these')
    arguments.add_argument('--wide', action='store_true', help='also the wide form (expansion 4) of the same depth and stages')
    arguments.add_argument('--compile', action='store_true', help='also the fused model through torch.compile')
    options = arguments.parse_args()

    width, height = options.input_size
    stock, ours = same_network(options.depth, options.num_stages, options.input_size)
    images = torch.randn(options.batch_size, 3, height, width)
    rivals: Dict[str, Callable[[], Any]] = {
        'stock MMPose': lambda: stock.head(stock.backbone(images))[-1],
        'rsn_mm, not fused': last_heatmaps(ours, images),
        'rsn_mm, fused': last_heatmaps(fuse(ours), images),
    }
    for multiple in options.pad:
        rivals[f'rsn_mm, fused, branches padded to {multiple}'] = last_heatmaps(fuse(ours, multiple), images)
    wide = {f'rsn_mm, wide, {form}': last_heatmaps(change(wide_network(ours, options.depth, options.num_stages)), images)
            for form, change in (('not fused', nn.Module.eval), ('fused', fuse)) if options.wide}
    if options.compile:
        rivals['rsn_mm, fused and compiled'] = torch.compile(last_heatmaps(fuse(ours), images))

    with torch.no_grad():
        check_agreement(rivals)
        rivals.update(wide)  # other numbers, of another network
        macs = {name: count_macs(rival) / options.batch_size for name, rival in rivals.items() if 'compiled' not in name}
        square = torch.randn(MATRIX, MATRIX)
        timings = take_turns({**rivals, 'matmul': lambda: square @ square}, options.rounds)
    report = Report('forward', f'RSN-{options.depth}, {options.num_stages} stage(s), {height}x{width}, batch of '
                    f'{options.batch_size}, float32: ms a person, image tensor to last heatmaps')
    rate = MATRIX**3 / timings.pop('matmul').median
    for name, timing in timings.items():
        persons_a_second = options.batch_size / timing.median
        own = macs.get(name, macs['rsn_mm, fused'])
        report.add(name, timing, per=options.batch_size, baseline=timings['stock MMPose'], persons_a_second=persons_a_second,
                   gmacs=own / 1e9, of_matmul_rate=own * persons_a_second / rate)
    report.note(f'gmacs: multiplications of convolutions a person. of_matmul_rate: those a second, against {rate / 1e9:.0f} G '
                f'in a {MATRIX}x{MATRIX} float32 matrix product in the same run.\n')
    report.write(options.out)


def wide_network(model: nn.Module, depth: int, num_stages: int) -> nn.Module:
    """``model`` with levels four times as wide, with random weights."""
    wide = copy.deepcopy(model)
    wide.backbone = RSN(depth=depth, num_stages=num_stages, expansion=4)
    return wide.eval()


def last_heatmaps(model: nn.Module, images: Tensor) -> Callable[[], Tensor]:
    return lambda: model.head.forward_last(model.backbone(images))


def check_agreement(rivals: Dict[str, Callable[[], Tensor]]) -> None:
    """Raise unless all rivals give the same heatmaps."""
    expected = rivals['stock MMPose']()
    for name, rival in rivals.items():
        difference = ((rival() - expected).abs().max() / expected.abs().max()).item()
        if not difference < TOLERANCE:
            raise AssertionError(f'{name}: heatmaps differ from those of stock MMPose by {difference:.1e} of the maximum.')


def count_macs(rival: Callable[[], Any]) -> float:
    """Multiplications of the convolutions in a call."""
    # The counter does not know oneDNN's operators; without them the same sums are computed by those that it knows.
    with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
        rival()
    return counter.get_total_flops() / 2


if __name__ == '__main__':
    main()
