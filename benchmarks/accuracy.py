"""Accuracy of RSN and its rivals, trained alike on Leeds Sports Pose and its extension.

Needs both data sets in data/lsp and data/lspet (or where LSP_ROOT and LSPET_ROOT say), as tools/make_lsp.py writes them. Every
run is a process of its own; a run that is done is not repeated, and one that was cut off goes on, so the command can be given
again at any time. With --jobs several runs share a GPU.

    python benchmarks/accuracy.py --epochs 200 --seeds 0 1 2 --amp --jobs 3
    python benchmarks/accuracy.py --epochs 15 --half-size --amp --configs rsn18 resnet18 mmpose_rsn18 --cfg-options ...
"""
import argparse
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List

from accuracy_runs import METRICS, TESTS, Run, train
from common import Report
from mmengine.config import DictAction

CONFIGS = dict(
    rsn18='RSN-18', resnet18='ResNet-18 in the same body', res2net18='Res2Net-18 in the same body',
    mmpose_rsn18="MMPose's RSN-18, MSPNHead, MegviiHeatmap", rsn18_prm='RSN-18 with PRM', rsn50='RSN-50',
    rsn18_udp='RSN-18 with UDP')


def main() -> None:
    args = parse_arguments()
    names = [(config, seed) for seed in args.seeds for config in args.configs]
    runs = [Run(f'{config}_lsp_256x192', seed, args.epochs, args.half_size, args.load_from) for config, seed in names]
    results: Dict[str, List[dict]] = {}
    with ThreadPoolExecutor(args.jobs) as pool:
        done = pool.map(lambda run: train(run, Path(args.work_dir), args.amp, args.cfg_options), runs)
        for (config, _), result in zip(names, done):
            results.setdefault(config, []).append(result)
            # What is done stands in the files, should the rest be cut off.
            write_table(args, results)
            draw_curves(Path(args.out) / 'accuracy.png', results)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--configs', nargs='+', default=list(CONFIGS), choices=list(CONFIGS), metavar='NAME',
                        help=f'of {", ".join(CONFIGS)} (default: all)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], help='one run of each config for each (default: 0)')
    parser.add_argument('--epochs', type=int, default=200, help='default: %(default)s')
    parser.add_argument('--half-size', action='store_true', help='128x96 instead of 256x192, for CPUs')
    parser.add_argument('--amp', action='store_true', help='train in bfloat16')
    parser.add_argument('--load-from', help='checkpoint to begin with')
    parser.add_argument('--jobs', type=int, default=1, help='runs at the same time (default: %(default)s)')
    parser.add_argument('--work-dir', default='work_dirs/accuracy', help='for the runs (default: %(default)s)')
    parser.add_argument('--out', default='work_dirs/benchmarks', help='for accuracy.json, .md and .png (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, help='as of tools/train.py, for all runs')
    return parser.parse_args()


def write_table(args: argparse.Namespace, results: Dict[str, List[dict]]) -> None:
    size = '128x96' if args.half_size else '256x192'
    seeds = ', '.join(map(str, args.seeds))
    report = Report('accuracy', f'Leeds Sports Pose and its extension, {size}, {args.epochs} epochs, seeds {seeds}: percent')
    for config, runs in results.items():
        values: Dict[str, Any] = {name: _mean_and_spread([run['metrics'][name] for run in runs]) for name in (*METRICS, *TESTS)}
        report.add_values(CONFIGS[config], **values, hours=statistics.mean(run['hours'] for run in runs))
    report.runs = [run for runs in results.values() for run in runs]
    report.note("On LSPET's validation people: PCK is normalised by the longer side of the box, AP is OKS with the sigmas of "
                'CrowdPose. On LSP: PCK@0.2 of the torso. The last epoch counts.\n')
    report.write(args.out)


def draw_curves(path: Path, results: Dict[str, List[dict]]) -> None:
    """PCK@0.2 over the epochs, a line for each run."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(7, 4.5), layout='constrained')
    axis = figure.add_subplot()
    for number, (config, runs) in enumerate(results.items()):
        for run in runs:
            epochs = [point['epoch'] for point in run['curve']]
            values = [100 * point['PCK@0.2'] for point in run['curve']]
            axis.plot(epochs, values, color=f'C{number}', label=CONFIGS[config] if run is runs[0] else None)
    axis.set(xlabel='epoch', ylabel='PCK@0.2 (%)')
    axis.grid(alpha=0.3)
    axis.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _mean_and_spread(values: List[float]) -> str:
    mean = f'{100 * statistics.mean(values):.1f}'
    return mean if len(values) == 1 else f'{mean} ({100 * min(values):.1f} to {100 * max(values):.1f})'


if __name__ == '__main__':
    main()
