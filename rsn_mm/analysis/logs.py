"""Results of training and test runs, found in the folders that MMEngine leaves behind."""
import json
import math
from pathlib import Path
from typing import Dict, Iterator, NamedTuple, Set


class Measured(NamedTuple):
    """value: in percent, the best of all validations of a run. file: where it stands."""
    value: float
    file: Path


def find_results(folder: Path, metric: str, to_percent: float = 100.) -> Dict[str, Measured]:
    """The best value of a metric for every config that was run below a folder.

    Read are MMEngine's logs of training (``vis_data/*.json``, a JSON object a line) and test (``<time>/<time>.json``), and
    what ``tools/test.py --out metrics.json`` writes. A file belongs to the config whose copy lies in the nearest folder
    above it, where MMEngine puts one for each run; without a copy, to the config that a folder above it is named after.

    Args:
        folder (Path): For example ``work_dirs``.
        metric (str): As the log names it, for example ``'coco/AP'``.
        to_percent (float): Factor from the log's number to percent. Defaults to 100.

    Returns:
        dict[str, Measured]: By name of the config.

    Raises:
        FileNotFoundError: if there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'logs={str(folder)!r} is not a folder: name the one that holds the work folders of training '
                                'and test runs, for example work_dirs.')
    best: Dict[str, Measured] = {}
    for file in sorted(folder.rglob('*.json')):
        if not (file.parent.name in ('vis_data', file.stem) or file.name == 'metrics.json'):
            continue
        values = [value for value in _values(file, metric) if math.isfinite(value) and value >= 0]
        if not values:
            continue
        found = Measured(max(values) * to_percent, file)
        for config in _configs(file, folder):
            if config not in best or found.value > best[config].value:
                best[config] = found
    return best


def _values(file: Path, metric: str) -> Iterator[float]:
    text = file.read_text(encoding='utf-8')
    try:
        entries = [json.loads(text)]
    except json.JSONDecodeError:
        entries = list(_lines(text))
    for entry in entries:
        if isinstance(entry, dict) and isinstance(entry.get(metric), (int, float)):
            yield float(entry[metric])


def _lines(text: str) -> Iterator[object]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a run that was killed


def _configs(file: Path, root: Path) -> Set[str]:
    """Names of the configs that a log may belong to."""
    folders = [folder for folder in file.parents if folder == root or root in folder.parents]
    for folder in folders:
        # vis_data/config.py is a copy, too, but one that has lost its name.
        copies = {path.stem for path in folder.glob('*.py') if folder.name != 'vis_data'}
        if copies:
            return copies
    return {folder.name for folder in folders}
