"""Fetch weights ahead of time, for machines that will have no network, or before they are needed.

  rsn-mm download rsn50 rtmdet_nano_person
  rsn-mm download human

Files lie where PyTorch keeps its own: TORCH_HOME (or ~/.cache/torch), hub/checkpoints. RSN_MM_MIRROR=https://... names a
mirror of https://download.openmmlab.com.
"""
import argparse
import sys

from ..apis.zoo import weights_by_name
from ..downloads import fetch, is_address

HELP = 'fetch weights ahead of time'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('names', nargs='+', metavar='NAME',
                        help='model or person detector (rsn-mm models lists them), or a model of MMPose or MMDetection')
    parser.add_argument('--no-progress', action='store_true', help='no progress bar')


def run(args: argparse.Namespace) -> int:
    from .main import FAILURE, SUCCESS
    outcome = SUCCESS
    weights = {name: weights_by_name(name) for name in args.names}  # a wrong name is told before anything is fetched
    for name, one in weights.items():
        try:
            if is_address(one):
                print(f'{name}: {fetch(one, progress=not args.no_progress)}')
            else:
                print(f'{name}: in the package, nothing to fetch: {one}')
        except OSError as error:  # the others are fetched all the same
            print(f'rsn-mm download: {name}: {error}', file=sys.stderr)
            outcome = FAILURE
    return outcome
