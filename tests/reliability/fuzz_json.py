"""Read broken JSON files with every reader of boxes and results, and count what comes out.

``python tests/reliability/fuzz_json.py --count 5000`` mutates valid files of detections, annotations and results: flipped
bits, cuts, values of other types, keys left out, nesting. A reader may return, or raise an error of ours: a ValueError that
names the file and says what is wrong in it. Anything else is a failure, and the exit code is then 1.
"""
import argparse
import copy
import json
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import numpy as np

import rsn_mm  # noqa: F401  makes mmpose importable
from rsn_mm.apis.boxes_file import CocoBoxes
from rsn_mm.apis.frames import Frame
from rsn_mm.evaluation.merging import merge_results
from rsn_mm.evaluation.results import read_results

NUM_JOINTS = 5
ODD_VALUES: Tuple[Any, ...] = (None, True, -1, 0, 1e308, -1e308, float('nan'), float('inf'), 10**400, '', 'a', '1', [], [[]],
                               {}, [1, 2], [1, [2]], {'id': 1}, [None] * 4, ['a'] * 4, [1, 2, 3, 4, 5])


def valid_files() -> Dict[str, Any]:
    """Contents of a detection file, an annotation file, and a result file."""
    boxes = [dict(image_id=i // 2, category_id=1, bbox=[10., 20., 30. + i, 40.], score=0.9) for i in range(4)]
    results = [dict(image_id=i // 2, category_id=1, bbox=[10., 20., 30. + i, 40.], score=0.9,
                    keypoints=np.arange(3. * NUM_JOINTS + i)[i:].tolist()) for i in range(4)]
    images = [dict(id=i, file_name=f'{i}.jpg', width=100, height=80) for i in range(2)]
    annotations = [dict(box, id=i, iscrowd=0, area=900.) for i, box in enumerate(boxes)]
    return dict(detections=boxes, annotations=dict(images=images, annotations=annotations), results=results)


def mutate(content: Any, rng: np.random.Generator) -> bytes:
    """A file of ``content`` with one to three changes to its values, or to its bytes."""
    content = copy.deepcopy(content)
    if rng.random() < 0.7:
        for _ in range(rng.integers(1, 4)):
            content = _change_value(content, rng)
        return json.dumps(content).encode()
    data = bytearray(json.dumps(content).encode())
    kind = rng.integers(4)
    if kind == 0:
        del data[rng.integers(len(data)):]
    elif kind == 1:
        data[:] = b'[' * int(rng.integers(1, 10**5))
    else:
        for position in rng.integers(len(data), size=rng.integers(1, 6)):
            data[position] = rng.integers(256) if kind == 2 else ord(rng.choice(list('[]{}:,"0-e')))
    return bytes(data)


def _change_value(content: Any, rng: np.random.Generator) -> Any:
    """Replace or drop something at a random depth."""
    odd = copy.deepcopy(ODD_VALUES[rng.integers(len(ODD_VALUES))])
    if not isinstance(content, (list, dict)) or not content or rng.random() < 0.1:
        return odd
    keys: List[Any] = list(content) if isinstance(content, dict) else list(range(len(content)))
    key = keys[rng.integers(len(keys))]
    if rng.random() < 0.1:
        del content[key]
    else:
        content[key] = _change_value(content[key], rng)
    return content


def _read_boxes(path: Path) -> None:
    boxes = CocoBoxes(path, 0.3)
    boxes(Frame('1.jpg', 0, np.zeros((2, 2, 3), np.uint8)), 0)


def _merge(path: Path) -> None:
    for match in ('bbox', 'id', 'oks'):
        merge_results([path, path], match, sigmas=np.full(NUM_JOINTS, 0.05))


# How messages of ours say what should be there instead.
EXPECTATION = re.compile(r'expected|must|is no |is not |are not |does not |Give |Write |needs ')
READERS: Dict[str, Callable[[Path], Any]] = dict(boxes=_read_boxes, results=read_results, merge=_merge)


def outcome(reader: str, path: Path) -> str:
    """``'read'``, ``'refused'``, or ``'FAILURE: ...'``."""
    try:
        READERS[reader](path)
    except ValueError as error:
        said = str(error)
        if type(error) is not ValueError and not type(error).__module__.startswith('rsn_mm'):
            return f'FAILURE: {type(error).__name__}: {error}'[:120]
        if path.name not in said:
            return f'FAILURE: the file is not named: {error}'[:120]
        return 'refused' if EXPECTATION.search(said) else f'FAILURE: nothing is expected: {error}'[:200]
    except Exception as error:
        return f'FAILURE: {type(error).__name__}: {error}'[:120]
    return 'read'


def run(count: int, seed: int) -> Counter:
    """How often each reader came to each outcome, over ``count`` files."""
    counts: Counter = Counter()
    valid = list(valid_files().values())
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'file.json'
        for number in range(count):
            path.write_bytes(mutate(valid[number % len(valid)], rng))
            for reader in READERS:
                counts[reader, outcome(reader, path)] += 1
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=5000)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    counts = run(args.count, args.seed)
    for (reader, result), number in sorted(counts.items()):
        print(f'{number:6} {reader}: {result}')
    return 1 if any(result.startswith('FAILURE') for _, result in counts) else 0


if __name__ == '__main__':
    np.seterr(all='ignore')
    sys.exit(main())
