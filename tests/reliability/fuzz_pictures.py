"""Send broken pictures through the application of ``rsn-mm serve``, and count what comes back.

``python tests/reliability/fuzz_pictures.py --count 10000`` mutates valid JPEG, PNG, WebP and BMP files: flipped bits, cuts,
sizes in headers, shuffled blocks, random bytes. A worker process with a tiny model answers requests one after the other, so
that a crash in native code is seen and the rest goes on. A failure is an answer of 500 or above, a dead worker, no answer
within 5 s, an answer that is no JSON, or memory that has grown by more than 1 GB. The exit code is 1 if there is one.
Every mutation follows from ``--seed`` and its number; ``--only NUMBER`` repeats one.
"""
import argparse
import json
import select
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import cv2
import numpy as np

import rsn_mm  # noqa: F401  makes mmpose importable
from rsn_mm.synthetic import draw_picture

HANG_SECONDS, START_SECONDS = 5., 120.
GROWTH_KB = 10**6
SUFFIXES = ('.jpg', '.png', '.webp', '.bmp')
# Where width and height stand in a file of OpenCV's: offset, bytes of each, order. JPEG's are behind its SOF marker.
SIZES = {'.png': (16, 4, 'big'), '.webp': (26, 2, 'little'), '.bmp': (18, 4, 'little')}
SIDES = (0, 1, 2, 97, 4096, 7000, 16383, 31999, 40000, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


class Mutation(NamedTuple):
    """A file, its format, and what was done to it."""
    data: bytes
    suffix: str
    kind: str


def seeds() -> Dict[str, List[bytes]]:
    """Valid files by suffix: two sizes, and for JPEG a progressive one, for WebP a lossless one."""
    pictures = [draw_picture('val', 0, seed=1, size_wh=size)[0] for size in ((96, 72), (160, 120))]
    options = {'.jpg': [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]], '.webp': [[cv2.IMWRITE_WEBP_QUALITY, 80], []]}
    return {
        suffix: [cv2.imencode(suffix, picture, option)[1].tobytes() for picture in pictures
                 for option in options.get(suffix, [[]])] for suffix in SUFFIXES
    }


def mutate(files: Dict[str, List[bytes]], seed: int, number: int) -> Mutation:
    """The mutation of a number, the same one each time."""
    rng = np.random.default_rng((seed, number))
    suffix = SUFFIXES[number % len(SUFFIXES)]
    data = bytearray(files[suffix][rng.integers(len(files[suffix]))])
    kind = KINDS[number // len(SUFFIXES) % len(KINDS)]
    _MUTATORS[kind](data, suffix, rng)
    if suffix == '.png' and rng.random() < 0.5:
        _repair_checksums(data)
    return Mutation(bytes(data), suffix, kind)


def _flip_bits(data: bytearray, suffix: str, rng: np.random.Generator) -> None:
    for position in rng.integers(len(data), size=rng.integers(1, 20)):
        data[position] ^= 1 << rng.integers(8)


def _flip_in_header(data: bytearray, suffix: str, rng: np.random.Generator) -> None:
    for position in rng.integers(min(len(data), 600 if suffix == '.jpg' else 64), size=rng.integers(1, 5)):
        data[position] = rng.integers(256)


def _cut(data: bytearray, suffix: str, rng: np.random.Generator) -> None:
    del data[rng.integers(len(data)):]


def _change_size(data: bytearray, suffix: str, rng: np.random.Generator) -> None:
    if suffix == '.jpg':
        frame = max(data.find(b'\xff\xc0'), data.find(b'\xff\xc2'))
        offset, width, order = frame + 5, 2, 'big'
    else:
        offset, width, order = SIZES[suffix]
    for start in (offset, offset + width)[:rng.integers(1, 3)]:
        data[start:start + width] = (int(rng.choice(SIDES)) % 256**width).to_bytes(width, order)


def _shuffle_blocks(data: bytearray, suffix: str, rng: np.random.Generator) -> None:
    size = int(rng.integers(8, max(9, len(data) // 4)))
    head, rest = data[:16], data[16:]
    blocks = [rest[start:start + size] for start in range(0, len(rest), size)]
    data[:] = head + b''.join(blocks[i] for i in rng.permutation(len(blocks)))


def _repeat_block(data: bytearray, suffix: str, rng: np.random.Generator) -> None:
    start, end = sorted(rng.integers(len(data), size=2))
    data[start:start] = data[start:end] * int(rng.integers(1, 5))


def _random_tail(data: bytearray, suffix: str, rng: np.random.Generator) -> None:
    keep = int(rng.integers(4, 80))
    data[keep:] = rng.bytes(int(rng.integers(0, 5000)))


def _random_all(data: bytearray, suffix: str, rng: np.random.Generator) -> None:
    data[:] = rng.bytes(int(rng.integers(0, 2000)))


def _repair_checksums(data: bytearray) -> None:
    """Make the checksums of PNG's chunks right, so that the decoder goes beyond them."""
    position = 8
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position:position + 4], 'big')
        data[end:end + 4] = zlib.crc32(data[position + 4:end]).to_bytes(4, 'big')[:max(0, len(data) - end)]
        position = end + 4


_MUTATORS = dict(bits=_flip_bits, header=_flip_in_header, cut=_cut, size=_change_size, shuffle=_shuffle_blocks,
                 repeat=_repeat_block, tail=_random_tail, random=_random_all)
KINDS = tuple(_MUTATORS)


def send(client: Any, mutation: Mutation) -> Tuple[int, str]:
    """Status of the answer, and what is wrong with it, if anything."""
    answer = client.post('/api/poses', content=mutation.data)
    try:
        content = answer.json()
    except ValueError:
        return answer.status_code, 'no JSON'
    expected = 'annotations' if answer.status_code == 200 else 'error'
    if answer.status_code >= 500 or expected not in content:
        return answer.status_code, str(content)[:200]
    return answer.status_code, ''


def make_client(folder: Path) -> Any:
    """A client of the application with a model as small as it gets."""
    import torch
    from mmengine.config import Config
    from starlette.testclient import TestClient

    from rsn_mm.apis import PoseInferencer
    from rsn_mm.serve.app import make_app
    from rsn_mm.serve.limits import Limits
    from rsn_mm.serve.workers import PoseWorker
    torch.set_num_threads(1)
    config = Config.fromfile(Path(__file__).parents[2] / 'configs' / 'rsn_people_128x96.py')
    config.merge_from_dict({'model.backbone': dict(num_blocks=[1, 1], stem_channels=8, unit_channels=16),
                            'model.head': dict(num_units=2, in_channels=16)})
    config.dump(folder / 'tiny.py')
    inferencer = PoseInferencer(str(folder / 'tiny.py'), det='whole', device='cpu', random_weights=True)
    app = make_app([PoseWorker('tiny', inferencer, None, Limits())], False, Limits())
    return TestClient(app, base_url='http://localhost', raise_server_exceptions=False)


def work(seed: int, first: int, end: int) -> None:
    """The worker: a line of JSON for each mutation, after one that says that it is ready."""
    files = seeds()
    with tempfile.TemporaryDirectory() as folder, make_client(Path(folder)) as client:
        assert send(client, Mutation(files['.png'][0], '.png', 'none')) == (200, '')
        before = peak_kb()
        print('{}', flush=True)
        for number in range(first, end):
            mutation = mutate(files, seed, number)
            start = time.perf_counter()
            status, fault = send(client, mutation)
            grown = peak_kb() - before
            print(json.dumps(dict(number=number, suffix=mutation.suffix, kind=mutation.kind, status=status, fault=fault,
                                  seconds=time.perf_counter() - start, grown_kb=grown)), flush=True)


def peak_kb() -> int:
    """Peak of this program's memory. ``getrusage`` begins at the peak of the program that started it."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM:'))


def outcomes(seed: int, first: int, end: int) -> Iterator[Dict[str, Any]]:
    """What came of each mutation. A worker that dies or hangs is replaced."""
    while first < end:
        command = [sys.executable, '-W', 'ignore', __file__, '--worker', '--seed', str(seed), '--first', str(first), '--count',
                   str(end - first)]
        # What decoders print about broken files would drown everything else. No buffer: select() does not see into it.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        assert process.stdout is not None
        try:
            patience = START_SECONDS
            ready = False
            while first < end:
                line = process.stdout.readline() if select.select([process.stdout], [], [], patience)[0] else None
                if not line:
                    fault = f'no answer within {patience:g} s' if line is None else f'the worker died: {process.wait()}'
                    if not ready:
                        raise RuntimeError(f'The worker did not start: {fault}.')
                    yield dict(number=first, fault=fault, status=0, suffix='', kind='', seconds=patience, grown_kb=0)
                    first += 1
                    break
                if ready:
                    first += 1
                    yield json.loads(line)
                elif line == b'{}\n':  # MMEngine prints, too
                    ready, patience = True, HANG_SECONDS
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def fault_of(outcome: Dict[str, Any]) -> str:
    if outcome['fault']:
        return outcome['fault']
    if outcome['seconds'] > HANG_SECONDS:
        return f'took {outcome["seconds"]:.1f} s'
    return f'memory grew by {outcome["grown_kb"] / 1e6:.2f} GB' if outcome['grown_kb'] > GROWTH_KB else ''


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=10000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--first', type=int, default=0, help='number of the first mutation')
    parser.add_argument('--only', type=int, help='number of the only mutation')
    parser.add_argument('--worker', action='store_true', help='answer in this process (what the script starts)')
    args = parser.parse_args()
    first, end = (args.first, args.first + args.count) if args.only is None else (args.only, args.only + 1)
    if args.worker:
        work(args.seed, first, end)
        return 0
    counts: Counter = Counter()
    faults, slowest, grown = [], 0., 0
    for outcome in outcomes(args.seed, first, end):
        counts[outcome['suffix'], outcome['status']] += 1
        slowest, grown = max(slowest, outcome['seconds']), max(grown, outcome['grown_kb'])
        if fault_of(outcome):
            faults.append((outcome['number'], outcome['suffix'], outcome['kind'], fault_of(outcome)))
            print(*faults[-1], flush=True)
    statuses = sorted({status for _, status in counts})
    print('| format | ' + ' | '.join(map(str, statuses)) + ' |\n| :-- |' + ' --: |' * len(statuses))
    for suffix in SUFFIXES:
        print(f'| {suffix[1:]} | ' + ' | '.join(str(counts[suffix, status]) for status in statuses) + ' |')
    print(f'{sum(counts.values())} mutations of seed {args.seed}: {len(faults)} failures; slowest answer {slowest:.2f} s, '
          f'memory grew by {grown / 1e3:.0f} MB')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
