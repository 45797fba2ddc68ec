"""Everything that needs a GPU, in one command of a few minutes: correctness, prediction, training, memory.

    python benchmarks/gpu.py --out work_dirs/gpu            # as many parts as fit into --limit seconds; again: the others
    python benchmarks/gpu.py --out work_dirs/smoke --smoke  # the same on a CPU with a tiny network, as a test of itself

Parts come in the order of what matters most. ``gpu.json`` is written anew after every part, so nothing that was measured is
lost: the next call with the same ``--out`` on the same card and versions goes on with the parts that have no result yet, and
then with those that failed, or ran out of time, which get more of it. A part or a variant that fails is recorded with its
error.
"""
import json
import signal
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import gpu_parts as parts
import gpu_speed as speed
import torch
from common import command, environment, parser, use_device
from training_step import Sizes

# A part that ran out of time gets so many shares when its turn comes again.
MORE_TIME = 3
CRASHED = 'begun, and the program did not live to its end'


class Part(NamedTuple):
    """``run`` adds to the dict that it is given. ``seconds``: when it is stopped."""
    name: str
    seconds: int
    run: Callable[[Dict[str, Any]], None]


class Log:
    """Results in a JSON file that is whole after every part, and goes on with what it holds."""

    def __init__(self, out: str, smoke: bool) -> None:
        self.file = Path(out) / 'gpu.json'
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.content: Dict[str, Any] = dict(command=command(), environment=environment(), smoke=smoke, parts={})
        if self.file.is_file():
            self._go_on_with(json.loads(self.file.read_text()))

    def _go_on_with(self, former: Dict[str, Any]) -> None:
        for key in ('gpu', 'versions'):
            if former['environment'].get(key) != self.content['environment'][key] or former['smoke'] != self.content['smoke']:
                raise SystemExit(f"{self.file} was measured with {former['environment'].get(key)} (smoke={former['smoke']}), "
                                 f"this is {self.content['environment'][key]} (smoke={self.content['smoke']}). Give another "
                                 '--out, so that figures of one file belong together.')
        self.content['parts'] = former['parts']

    def is_measured(self, part: Part) -> bool:
        return part.name in self.content['parts'] and 'error' not in self.content['parts'][part.name]

    def in_order(self, plan: Sequence[Part]) -> List[Part]:
        """What is to be measured: parts that were never begun, then those that ended with an error, each in its order."""
        missing = [part for part in plan if not self.is_measured(part)]
        return sorted(missing, key=lambda part: 'seconds' in self.content['parts'].get(part.name, ()))

    def seconds_for(self, part: Part) -> int:
        """Its share, and more once that was not enough: it would be cut at the same place again."""
        ran_out = parts.OUT_OF_TIME in str(self.content['parts'].get(part.name, {}).get('error'))
        return part.seconds * (MORE_TIME if ran_out else 1)

    def run(self, part: Part) -> None:
        result: Dict[str, Any] = {}
        former = self.content['parts'].pop(part.name, {})
        # A crash leaves this behind: the next call then begins with the other parts.
        self.content['parts'][part.name] = {'error': CRASHED, 'seconds': 0, **former}
        self.write()
        self.content['parts'][part.name] = result
        start = time.perf_counter()
        signal.signal(signal.SIGALRM, _stop)
        # Again and again, as a compiler may swallow one.
        signal.setitimer(signal.ITIMER_REAL, part.seconds, 5)
        try:
            part.run(result)
        except BaseException as error:
            result['error'] = traceback.format_exc()[-3000:]
            if not isinstance(error, Exception):  # Ctrl-C
                raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            result['seconds'] = round(time.perf_counter() - start, 1)
            if 'error' in result and _figures(former) > _figures(result):
                # It got further the last time.
                self.content['parts'][part.name] = result = former
            self.write()
            parts.clean_up()
        print(f'--- {part.name} ({result["seconds"]} s)')
        print(json.dumps(result, indent=1, default=str), flush=True)

    def write(self) -> None:
        self.file.write_text(json.dumps(self.content, indent=2, default=str) + '\n')


def _figures(result: Any) -> int:
    """How much of a part is there: parts that add to one table have the same keys from the first figure on."""
    if isinstance(result, dict):
        return sum(_figures(value) for key, value in result.items() if key not in ('error', 'failed', 'seconds'))
    return 1


def _stop(number: int, frame: Any) -> None:
    raise TimeoutError(parts.OUT_OF_TIME)


def video(*args: Any) -> None:
    # It needs more packages than the others, which do not fail with it.
    from gpu_video import video as run
    run(*args)


def plan(smoke: bool, device: str) -> List[Part]:
    if smoke:
        one = four = Sizes('rsn_people_128x96', 1, 2)
        batch = 2
    else:
        one, four = Sizes('rsn50_coco_256x192', 1, 48), Sizes('4xrsn50_coco_256x192', 4, 48)
        batch = 64
    rounds = 2 if smoke else 15
    compile_modes: List[Optional[str]] = ['default'] if smoke else ['reduce-overhead', 'max-autotune']
    small = min(batch, 8)
    return [
        Part('prediction 1x', 58, lambda r: speed.prediction(r, one, device, batch, rounds)),
        Part('training 1x', 58, lambda r: speed.training(r, one, device, rounds)),
        Part('video', 58, lambda r: video(r, device, 18 if smoke else 50, 2 if smoke else 100, min(rounds, 3))),
        Part('correctness', 58, lambda r: parts.correctness(r, one, device)),
        Part('prediction 4x', 58, lambda r: speed.prediction(r, four, device, batch, max(2, rounds // 2))),
        Part('training 4x', 58, lambda r: speed.training(r, four, device, max(2, rounds // 3))),
        Part('no waiting', 58, lambda r: parts.no_waiting(r, one, device)),
        Part('prediction 1x, few', 58, lambda r: speed.prediction(r, one, device, small, rounds)),
        Part('prediction 4x, few', 58, lambda r: speed.prediction(r, four, device, small, rounds)),
        Part('memory', 58, lambda r: parts.memory(r, four, device)),
        Part('decoder', 20, lambda r: speed.decoder(r, one, device, batch, rounds)),
        Part('distributed', 40, lambda r: parts.distributed(r, one, device)),
        *[Part(f'training 1x compiled, {name}', 58, lambda r, name=name: speed.training_compiled(r, one, device, rounds, name))
          for name in speed.COMPILED_TRAININGS],
        *[Part(f'prediction 1x compiled, {mode}{", padded" if padded else ""}', 58, lambda r, mode=mode, padded=padded:
               speed.prediction_compiled(r, one, device, batch, rounds, mode, padded))
          for mode in compile_modes for padded in ([True, False] if device == 'cuda' else [False])],
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
    for part in log.in_order(plan(args.smoke, device)):
        left = args.limit - (time.perf_counter() - begin)
        if part.name in args.skip or (args.only and part.name not in args.only):
            continue
        if left < 10:
            if part.name not in log.content['parts']:
                log.content['parts'][part.name] = dict(error='not begun: no time left')
                log.write()
            continue
        log.run(part._replace(seconds=int(min(log.seconds_for(part), left))))


if __name__ == '__main__':
    main()
