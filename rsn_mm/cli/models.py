"""Every model by name: what it was trained on, what it costs, how good it is by whose number, and where its weights are.

  rsn-mm models
  rsn-mm models --with-weights

The end _coco_256x192 of a name may be left out: rsn50 is rsn50_coco_256x192. Models of MMPose have names, too
(docs/inference.md); they are not listed here.
"""
import argparse
import json
from typing import Callable, List, Tuple

from ..apis.zoo import Model, all_models

HELP = 'models and person detectors by name'
COLUMNS: Tuple[Tuple[str, Callable[[Model], str]], ...] = (
    ('name', lambda model: model.short),
    ('data set', lambda model: model.data or '-'),
    ('joints', lambda model: '-' if model.joints is None else str(model.joints)),
    ('input', lambda model: model.input_size or '-'),
    ('result', lambda model: f'{model.result}, by {model.whose or "?"}' if model.result else '-'),
    ('MACs', lambda model: '-' if model.macs is None else f'{model.macs / 1e9:.2f} G'),
    ('weights', lambda model: '-' if model.num_bytes is None else f'{model.num_bytes / 1e6:.1f} MB'),
    ('where', lambda model: model.state),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--with-weights', action='store_true', help='leave out those that have to be trained first')
    parser.add_argument('--json', action='store_true', help='print JSON')


def run(args: argparse.Namespace) -> int:
    from .main import SUCCESS
    models = [model for model in all_models() if model.weights is not None or not args.with_weights]
    if args.json:
        print(json.dumps([model._asdict() for model in models], indent=2))
        return SUCCESS
    for line in table([[title for title, _ in COLUMNS], *([cell(model) for _, cell in COLUMNS] for model in models)]):
        print(line)
    return SUCCESS


def table(rows: List[List[str]]) -> List[str]:
    """Lines of columns that are as wide as their longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
