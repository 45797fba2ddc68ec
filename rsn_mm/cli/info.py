"""Versions, device, CPU features, adapters in use and runtimes: what a report of a problem should hold."""
import argparse
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any, Dict

from .. import __version__, compat
from ..cpu import cpu_features
from .arguments import RUNTIMES

HELP = 'versions, device, CPU features, adapters, runtimes'
PACKAGES = ('torch', 'torchvision', 'numpy', 'opencv-python', 'opencv-python-headless', 'mmengine', 'mmcv', 'mmcv-lite',
            'mmdet', 'mmpose', 'onnx', 'onnxruntime', 'onnxruntime-gpu', 'openvino', 'nncf', 'pycocotools', 'xtcocotools')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args: argparse.Namespace) -> int:
    from .main import SUCCESS
    facts = collect()
    if args.json:
        print(json.dumps(facts, indent=2))
        return SUCCESS
    for title, content in facts.items():
        lines = [f'{key}: {value}' for key, value in content.items()] if isinstance(content, dict) else [str(content)]
        print(f'{title:<12}', ('\n' + ' ' * 13).join(lines or ['none']))
    return SUCCESS


def collect() -> Dict[str, Any]:
    """Facts about this installation and machine."""
    import torch  # takes a second
    return dict(
        rsn_mm=__version__,
        python=f'{platform.python_version()} on {platform.platform()}',
        packages=_versions(),
        device=_devices(),
        cpu=dict(cores=len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count(),
                 torch_threads=torch.get_num_threads(), torch_capability=torch.backends.cpu.get_cpu_capability(),
                 features=' '.join(cpu_features()) or 'unknown'),
        adapters=compat.active(),
        runtimes={name: 'installed' if find_spec(name) else f'not installed (pip install {name})' for name in RUNTIMES})


def _versions() -> Dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _devices() -> str:
    import torch
    if not torch.cuda.is_available():
        return 'cpu'
    return ', '.join(f'cuda:{i} {torch.cuda.get_device_name(i)}' for i in range(torch.cuda.device_count()))
