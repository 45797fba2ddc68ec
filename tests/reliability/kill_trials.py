"""Kill a training run with SIGKILL, resume it until it ends, and compare it with a run that nobody interrupted.

``python tests/reliability/kill_trials.py --trials 20`` trains a tiny RSN with EMA, Adam, augmentation in a worker process and
``save_best`` on drawn people. Every trial kills its run once to three times: at a random time, or (every second trial) while a
checkpoint is being written, which the program slows down so that it is met. What the last checkpoints hold of weights,
average, optimizer, schedules, logs and scores must then be equal to the last bit, and no file too many may be left.

Every run is a process forked from this one, which has imported everything and started no thread.
"""
import argparse
import copy
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any, Callable, Iterator, List, NamedTuple

import torch

import rsn_mm  # noqa: F401  makes mmpose importable

# After rsn_mm, which makes the stack importable.
from mmengine.config import Config, config as mmengine_config  # isort: skip
from mmengine.registry import Registry, init_default_scope  # isort: skip
from mmengine.runner import Runner  # isort: skip
from rsn_mm import files, registry  # isort: skip
from rsn_mm.synthetic import make_people  # isort: skip

CONFIG = Path(__file__).parents[2] / 'configs' / 'rsn_people_128x96.py'
EPOCHS = 4
KEPT = 2
# Times of an epoch differ from run to run.
TIMES = ('time', 'data_time')


class Outcome(NamedTuple):
    """Of one trial: what differs from the uninterrupted run, how often it was killed, how often with a file half written."""
    differences: List[str]
    kills: int
    half_written: int


def read_config(people: Path) -> Config:
    """``rsn_people_128x96.py`` for images of 64x48 and a network of two levels."""
    os.environ['PEOPLE_ROOT'] = f'{people}/'
    config = Config.fromfile(CONFIG)
    loader = dict(batch_size=4, num_workers=1, persistent_workers=True)
    config.merge_from_dict({
        'log_level': 'WARNING',
        'train_cfg': dict(max_epochs=EPOCHS, val_interval=2),
        'train_dataloader': loader,
        'val_dataloader': dict(loader, num_workers=0, persistent_workers=False),
        'model.backbone': dict(num_blocks=[1, 1], stem_channels=8, unit_channels=16),
        'model.head': dict(num_units=2, in_channels=16),
        'custom_hooks': [dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.1, update_buffers=True, priority=49)],
        'default_hooks.checkpoint': dict(interval=1, max_keep_ckpts=KEPT, save_best='PCK', rule='greater'),
        'default_hooks.logger.interval': 1,
    })
    config.val_evaluator = dict(type='PCKAccuracy', thr=0.5)
    for part in (config.model, config.train_dataloader, config.val_dataloader, config.test_dataloader):
        shrink(part)
    return config


def shrink(config: Any) -> None:
    """Sizes of images, heatmaps and lists of encoders, wherever a config has them."""
    if isinstance(config, dict):
        sizes = dict(input_size=(48, 64), heatmap_size=(12, 16))
        config.update({name: size for name, size in sizes.items() if name in config})
        if isinstance(config.get('encoder'), list):
            config['encoder'] = config['encoder'][-2:]
    for item in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        shrink(item)


def train(config: Config, work_dir: Path, resume: bool = False, **changes: Any) -> Runner:
    config = copy.deepcopy(config)
    name = f'{work_dir.name}_{os.getpid()}'
    config.merge_from_dict(dict(changes, work_dir=str(work_dir), experiment_name=name, resume=resume))
    runner = Runner.from_cfg(config)
    runner.train()
    return runner


class SlowFile:
    """Writes a block at a time, each some milliseconds after the other, so that a half-written file can be met."""
    block = 1 << 12

    def __init__(self, *args: Any) -> None:
        self._file = open(*args)

    def __enter__(self) -> 'SlowFile':
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, content: bytes) -> None:
        for start in range(0, len(content), self.block):
            self._file.write(content[start:start + self.block])
            self._file.flush()
            time.sleep(0.002)


def prepare() -> None:
    """What every run would do anew, done once before all are forked."""
    import torch._dynamo  # noqa: F401  by every optimizer

    torch.set_num_threads(1)
    init_default_scope('rsn_mm')
    for child in vars(registry).values():
        if isinstance(child, Registry):
            child.import_from_location()
    # Every checkpoint holds the config, which takes MMEngine a second to lay out prettily.
    mmengine_config.FormatCode = lambda text, **_: (text, True)


def in_child(run: Callable[[], Any], log: Path) -> int:
    """Fork a process that runs ``run`` and then ends; what it prints goes to the file ``log``."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def has_ended(pid: int) -> bool:
    """Whether a child has ended well.

    Raises:
        RuntimeError: if it has ended otherwise.
    """
    done, status = os.waitpid(pid, os.WNOHANG)
    if done and os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f'A run ended with {os.waitstatus_to_exitcode(status)}')
    return bool(done)


def wait(pid: int) -> None:
    while not has_ended(pid):
        time.sleep(0.005)


def unfinished_in(work_dir: Path) -> List[Path]:
    return list(work_dir.glob('.*.part'))


def kill_any_time(pid: int, work_dir: Path, seconds_an_epoch: float) -> bool:
    """Kill a child at a random moment of a random epoch, or before the first; False if it ends before."""
    after = work_dir / f'epoch_{random.randrange(EPOCHS)}.pth'
    while after.name != 'epoch_0.pth' and not after.exists():
        if has_ended(pid):
            return False
        time.sleep(0.0005)
    time.sleep(random.uniform(0, seconds_an_epoch / 2))
    return kill(pid)


def kill_while_writing(pid: int, work_dir: Path) -> bool:
    """Kill a child at a random moment of one of its first writings, or soon after it; False if it ends before."""
    nth, writings, was_writing = random.randint(1, 6), 0, False
    while writings < nth:
        if has_ended(pid):
            return False
        is_writing = bool(unfinished_in(work_dir))
        writings += is_writing and not was_writing
        was_writing = is_writing
        time.sleep(0.0005)
    time.sleep(random.uniform(0, 0.15))
    return kill(pid)


def kill(pid: int) -> bool:
    if has_ended(pid):
        return False
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def run_trial(config: Config, reference: Path, work_dir: Path, seconds_an_epoch: float, while_writing: bool) -> Outcome:
    log = work_dir.with_suffix('.log')

    def run() -> None:
        if while_writing:
            files.open = SlowFile
        train(config, work_dir, resume=True)

    kills = half_written = 0
    for _ in range(random.randint(1, 3)):
        pid = in_child(run, log)
        if not (kill_while_writing(pid, work_dir) if while_writing else kill_any_time(pid, work_dir, seconds_an_epoch)):
            break
        kills += 1
        half_written += bool(unfinished_in(work_dir))
    wait(in_child(run, log))
    return Outcome(list(differences(reference, work_dir)), kills, half_written)


def differences(reference: Path, work_dir: Path) -> Iterator[str]:
    """What is not as in the uninterrupted run: files, and parts of the last checkpoint."""
    names = [sorted(path.name for path in folder.iterdir() if path.is_file()) for folder in (reference, work_dir)]
    if names[0] != names[1]:
        yield f'files: {names[1]} instead of {names[0]}'
        return
    yield from unequal(*(what_counts(folder / f'epoch_{EPOCHS}.pth') for folder in (reference, work_dir)))
    best = next(reference.glob('best_*.pth')).name
    yield from unequal(*(torch.load(folder / best, weights_only=True)['state_dict'] for folder in (reference, work_dir)))


def what_counts(path: Path) -> dict:
    checkpoint = torch.load(path, weights_only=True)
    hub = checkpoint['message_hub']
    parts = {name: checkpoint[name] for name in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')}
    parts['logs'] = {name: history for name, history in hub['log_scalars'].items() if name.split('/')[1] not in TIMES}
    parts['scores'] = {name: hub['runtime_info'][name] for name in ('best_score', 'validated_at', 'keep_ckpt_ids')}
    return parts


def unequal(one: Any, other: Any, name: str = '') -> Iterator[str]:
    if isinstance(one, torch.Tensor):
        if not torch.equal(one, other):
            yield name
    elif isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from unequal(one[key], other[key], f'{name}/{key}')
    elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        for index, (a, b) in enumerate(zip(one, other)):
            yield from unequal(a, b, f'{name}/{index}')
    elif one != other:
        yield f'{name}: {other!r} instead of {one!r}'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--trials', type=int, default=20)
    parser.add_argument('--seed', type=int, default=0, help='of the times of the kills')
    args = parser.parse_args()
    random.seed(args.seed)
    prepare()
    failed = kills = half_written = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        people = make_people(folder / 'people', num_train=12, num_val=4, max_people=1, seed=3, progress=False).root
        config = read_config(people)
        reference = folder / 'uninterrupted'
        start = time.monotonic()
        wait(in_child(lambda: train(config, reference), folder / 'uninterrupted.log'))
        seconds_an_epoch = (time.monotonic() - start) / EPOCHS
        for trial in range(args.trials):
            while_writing = bool(trial % 2)
            try:
                outcome = run_trial(config, reference, folder / f'trial_{trial}', seconds_an_epoch, while_writing)
            except RuntimeError:
                print((folder / f'trial_{trial}.log').read_text()[-3000:])
                raise
            kills += outcome.kills
            half_written += outcome.half_written
            failed += bool(outcome.differences)
            print(f'trial {trial + 1} ({"while writing" if while_writing else "any time"}): {outcome.kills} kills, '
                  f'{outcome.half_written} with a file half written, '
                  f'{len(outcome.differences)} differences {outcome.differences[:5] or ""}', flush=True)
    print(f'{args.trials} trials, {kills} kills, {half_written} of them with a file half written, {failed} trials that ended '
          f'otherwise than the uninterrupted run ({time.monotonic() - start:.0f} s)')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
