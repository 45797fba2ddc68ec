"""Everything that needs a GPU, in one command of a few minutes: correctness, prediction, training, memory.

    python benchmarks/gpu.py --out work_dirs/gpu            # under 8 minutes on an H100
    python benchmarks/gpu.py --out work_dirs/smoke --smoke  # the same on a CPU with a tiny network, as a test of itself

``gpu.json`` is written anew after every part, so nothing that was measured is lost. A part or a variant that fails is
recorded with its error; one that takes longer than its share of time is stopped.
"""
import json
import signal
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

import gpu_parts as parts
import torch
from common import command, environment, parser, use_device
from gpu_video import video
from training_step import Sizes


class Part(NamedTuple):
    """``run`` adds to the dict that it is given. ``seconds``: when it is stopped."""
    name: str
    seconds: int
    run: Callable[[Dict[str, Any]], None]


class Log:
    """Results in a JSON file that is whole after every part."""

    def __init__(self, out: str, smoke: bool) -> None:
        self.file = Path(out) / 'gpu.json'
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.content: Dict[str, Any] = dict(command=command(), environment=environment(), smoke=smoke, parts={})

    def run(self, part: Part) -> None:
        result: Dict[str, Any] = {}
        self.content['parts'][part.name] = result
        start = time.perf_counter()
        signal.signal(signal.SIGALRM, _stop)
        # Again and again, as a compiler may swallow one.
        signal.setitimer(signal.ITIMER_REAL, part.seconds, 5)
        try:
            part.run(result)
        except Exception:
            result['error'] = traceback.format_exc()[-3000:]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            result['seconds'] = round(time.perf_counter() - start, 1)
            self.write()
            parts.clean_up()
        print(f'--- {part.name} ({result["seconds"]} s)')
        print(json.dumps(result, indent=1, default=str), flush=True)

    def write(self) -> None:
        self.file.write_text(json.dumps(self.content, indent=2, default=str) + '\n')


def _stop(number: int, frame: Any) -> None:
    raise TimeoutError(parts.OUT_OF_TIME)


def plan(smoke: bool, device: str) -> List[Part]:
    if smoke:
        one = four = Sizes('rsn_people_128x96', 1, 2)
        batch = 2
    else:
        one, four = Sizes('rsn50_coco_256x192', 1, 48), Sizes('4xrsn50_coco_256x192', 4, 48)
        batch = 64
    rounds = 2 if smoke else 15
    compile_modes: List[Optional[str]] = ['default'] if smoke else ['reduce-overhead', 'max-autotune']
    return [
        Part('correctness', 90, lambda r: parts.correctness(r, one, device)),
        Part('no waiting', 60, lambda r: parts.no_waiting(r, one, device)),
        Part('prediction 1x', 75, lambda r: parts.prediction(r, one, device, batch, rounds)),
        Part('video', 60, lambda r: video(r, device, 18 if smoke else 50, 2 if smoke else 100, min(rounds, 3))),
        Part('training 1x', 75, lambda r: parts.training(r, one, device, rounds)),
        Part('memory', 60, lambda r: parts.memory(r, four, device)),
        Part('prediction 4x', 75, lambda r: parts.prediction(r, four, device, batch, rounds)),
        Part('decoder', 20, lambda r: parts.decoder(r, one, device, batch, rounds)),
        Part('training 4x', 60, lambda r: parts.training(r, four, device, max(2, rounds // 3))),
        Part('training 1x compiled', 130, lambda r: parts.training_compiled(r, one, device, rounds)),
        Part('prediction 1x compiled', 150, lambda r: parts.prediction_compiled(r, one, device, batch, rounds, compile_modes)),
    ]


def main() -> None:
    arguments = parser(__doc__.split('\n')[0])
    arguments.add_argument('--smoke', action='store_true', help='a tiny network and two persons')
    arguments.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    arguments.add_argument('--only', nargs='+', default=[], help='names of parts to run')
    arguments.add_argument('--skip', nargs='+', default=[], help='names of parts to leave out')
    arguments.add_argument('--limit', type=int, default=460, help='seconds after which no further part begins')
    args = arguments.parse_args()
    device = use_device(args.device)
    if device == 'cpu' and not args.smoke:
        arguments.error('without a GPU only --smoke makes sense')
    torch.backends.cudnn.benchmark = True  # as in the configs
    begin = time.perf_counter()
    log = Log(args.out, args.smoke)
    for part in plan(args.smoke, device):
        left = args.limit - (time.perf_counter() - begin)
        if part.name in args.skip or (args.only and part.name not in args.only):
            continue
        if left < 10:
            log.content['parts'][part.name] = dict(error='not begun: no time left')
            log.write()
            continue
        log.run(part._replace(seconds=int(min(part.seconds, left))))


if __name__ == '__main__':
    main()
