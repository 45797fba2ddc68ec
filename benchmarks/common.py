"""What all benchmarks share: timing of rivals in turns, the same network in stock MMPose and in rsn_mm, and the report.

A benchmark is ``python benchmarks/<name>.py [--out FOLDER]``; it writes ``<name>.json`` and ``<name>.md`` there and prints
the table. Rivals take turns within one run, so that a change of the machine's speed meets all of them, and every figure
is a median after warm-up.
"""
import argparse
import json
import os
import platform
import resource
import shlex
import statistics
import sys
import time
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import torch

import rsn_mm  # noqa: F401  makes mmpose importable

from mmengine.registry import DefaultScope  # isort: skip
from mmpose.registry import MODELS  # isort: skip

PACKAGES = ('torch', 'numpy', 'opencv-python-headless', 'mmengine', 'mmcv', 'mmcv-lite', 'mmpose', 'onnxruntime', 'openvino')
# Stock MMPose's counterparts: four Gaussians, one for each unit (its RSN configs).
STOCK_KERNELS = (15, 11, 9, 7)


class Timing(NamedTuple):
    """Seconds of every round of one rival."""
    rounds: List[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> Tuple[float, float]:
        """Lower and upper quartile."""
        if len(self.rounds) < 2:
            return self.rounds[0], self.rounds[0]
        low, _, high = statistics.quantiles(self.rounds, n=4, method='inclusive')
        return low, high


def take_turns(rivals: Dict[str, Callable[[], Any]],
               rounds: int = 15,
               warmup: int = 2,
               inner: int = 1,
               settle: bool = False) -> Dict[str, Timing]:
    """Time ``rivals`` in turns: every round calls each of them ``inner`` times. On a GPU the call waits for the device.

    With ``settle`` a turn begins with a call that is not timed: threads of the rival before may still be spinning, and the
    caches hold its data.
    """

    def call(rival: Callable[[], Any]) -> float:
        start = time.perf_counter()
        for _ in range(inner):
            rival()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / inner

    for _ in range(warmup):
        for rival in rivals.values():
            call(rival)
    seconds: Dict[str, List[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, rival in rivals.items():
            if settle:
                call(rival)
            seconds[name].append(call(rival))
    return {name: Timing(values) for name, values in seconds.items()}


def environment() -> Dict[str, Any]:
    """Hardware and versions that a figure belongs to."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return dict(
        date=date.today().isoformat(),
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)),
        torch_threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        python=platform.python_version(),
        versions=versions)


class Report:
    """Rows of one table, written as JSON and as Markdown.

    Args:
        name (str): Name of the benchmark and of its files.
        title (str): What is measured, in what unit.
    """

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title
        self.rows: List[Dict[str, Any]] = []
        self.notes: List[str] = []

    def add(self, what: str, timing: Timing, per: float = 1, baseline: Optional[Timing] = None, **extra: Any) -> None:
        """Add a row: ``timing`` divided by ``per`` (persons, frames), and how much faster than ``baseline`` that is."""
        low, high = timing.spread
        row = dict(what=what, ms=1e3 * timing.median / per, ms_low=1e3 * low / per, ms_high=1e3 * high / per)
        if baseline is not None:
            row['speedup'] = baseline.median / timing.median
        self.rows.append(dict(row, **extra))

    def add_values(self, what: str, **values: Any) -> None:
        """Add a row that is no time: bytes, displacements."""
        self.rows.append(dict(what=what, **values))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def write(self, out: str) -> None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        content = dict(title=self.title, command=command(), environment=environment(), rows=self.rows, notes=self.notes)
        (folder / f'{self.name}.json').write_text(json.dumps(content, indent=2) + '\n')
        markdown = self.markdown(content)
        (folder / f'{self.name}.md').write_text(markdown)
        print(markdown)

    def markdown(self, content: Dict[str, Any]) -> str:
        columns = list(dict.fromkeys(key for row in self.rows for key in row if key not in ('ms_low', 'ms_high')))
        lines = [f'**{self.title}**', '', '| ' + ' | '.join(columns) + ' |', '|' + ' --- |' * len(columns)]
        lines += ['| ' + ' | '.join(_cell(row, column) for column in columns) + ' |' for row in self.rows]
        machine = content['environment']
        lines += ['', *self.notes, f"`{content['command']}`, {machine['date']}, {machine['gpu'] or machine['cpu']}, "
                  f"{machine['cores']} cores, Python {machine['python']}, "
                  + ', '.join(f'{name} {number}' for name, number in machine['versions'].items()), '']
        return '\n'.join(lines)


def parser(description: str) -> argparse.ArgumentParser:
    """Every benchmark's arguments."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    arguments.add_argument('--out', default='work_dirs/benchmarks', help='folder for the JSON and Markdown files')
    arguments.add_argument('--rounds', type=int, default=15, help='timed rounds; figures are medians')
    return arguments


def use_device(name: str) -> str:
    """Make 'cuda:1' the current device, for which :func:`take_turns` waits, and return its type, 'cuda'."""
    device = torch.device(name)
    if device.type == 'cuda':
        torch.cuda.set_device(device)
    return device.type


def peak_mib() -> float:
    """Peak of this program's resident memory. Linux counts the program that started it in ``getrusage``, too."""
    status = Path('/proc/self/status')
    if status.is_file():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith('VmHWM:')) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == 'darwin' else peak / 2**10


def command() -> str:
    return shlex.join(['python', *sys.argv])


def same_network(depth: int = 18,
                 num_stages: int = 1,
                 input_size: Sequence[int] = (192, 256),
                 num_keypoints: int = 17,
                 seed: int = 0) -> Tuple[torch.nn.Module, torch.nn.Module]:
    """Stock MMPose's pose estimator with RSN, and ours with the same weights, both in eval mode.

    Running statistics and scales are drawn at random, so that nothing of a norm is the identity.
    """
    torch.manual_seed(seed)
    with DefaultScope.overwrite_default_scope('mmpose'):
        stock = MODELS.build(_stock_cfg(depth, num_stages, input_size, num_keypoints))
        ours = MODELS.build(_our_cfg(depth, num_stages, input_size, num_keypoints))
    for module in stock.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            torch.nn.init.uniform_(module.weight, 0.8, 1.2)
            torch.nn.init.normal_(module.bias, 0, 0.1)
    ours.load_state_dict(stock.state_dict(), strict=True)
    for model in (stock, ours):
        model.train(False)
    return stock, ours


def _stock_cfg(depth: int, num_stages: int, input_size: Sequence[int], num_keypoints: int) -> dict:
    blocks = {18: [2, 2, 2, 2], 50: [3, 4, 6, 3], 101: [3, 4, 23, 3]}[depth]
    width, height = input_size
    losses = ([dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=0.25)] * 3
              + [dict(type='KeypointOHKMMSELoss', use_target_weight=True, loss_weight=1.)]) * num_stages
    return dict(
        type='TopdownPoseEstimator',
        data_preprocessor=_preprocessor_cfg(),
        backbone=dict(type='RSN', unit_channels=256, num_stages=num_stages, num_units=4, num_blocks=blocks, num_steps=4),
        head=dict(
            type='MSPNHead',
            out_shape=(height // 4, width // 4),
            unit_channels=256,
            out_channels=num_keypoints,
            num_stages=num_stages,
            num_units=4,
            norm_cfg=dict(type='BN'),
            level_indices=[0, 1, 2, 3] * (num_stages - 1) + [1, 2, 3, 4] if num_stages > 1 else [0, 1, 2, 3],
            loss=losses,
            decoder=dict(
                type='MegviiHeatmap', input_size=tuple(input_size), heatmap_size=(width // 4, height // 4),
                kernel_size=STOCK_KERNELS[-1])),
        test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False))


def _our_cfg(depth: int, num_stages: int, input_size: Sequence[int], num_keypoints: int) -> dict:
    width, height = input_size
    return dict(
        type='TopdownPoseEstimator',
        data_preprocessor=_preprocessor_cfg(),
        backbone=dict(type='rsn_mm.RSN', depth=depth, num_stages=num_stages),
        head=dict(
            type='rsn_mm.MultiStageHead',
            num_stages=num_stages,
            out_channels=num_keypoints,
            decoder=dict(
                type='rsn_mm.QuarterOffsetHeatmap', input_size=tuple(input_size), heatmap_size=(width // 4, height // 4),
                kernel_size=STOCK_KERNELS[-1], blur_kernel_size=5)),
        test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False))


def _preprocessor_cfg() -> dict:
    return dict(
        type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)


def _cell(row: Dict[str, Any], column: str) -> str:
    value = row.get(column, '')
    if column == 'ms':
        return f"{value:.3g} ({row['ms_low']:.3g} to {row['ms_high']:.3g})" if 'ms' in row else ''
    if column == 'speedup':
        return f'{value:.2f}x' if value != '' else ''
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def _cpu_name() -> str:
    info = Path('/proc/cpuinfo')
    names = [line.split(':', 1)[1].strip() for line in info.read_text().splitlines() if line.startswith('model name')] \
        if info.is_file() else []
    return names[0] if names else platform.processor()
