"""MMPose's own configs with RSN as their backbone: train, validate, save, load, predict.

``python tests/workflow/mmpose_configs.py --out FOLDER`` takes every config that MMPose ships (or those whose path contains one
of the words given), puts a small ``RSNEncoder`` in the place of its backbone, and a small ``RSN`` with ``MultiStageHead`` where
it predicts heatmaps of persons, makes a tiny data set in the format that the config reads, trains two iterations, validates,
saves, loads the checkpoint again by ``init_model`` and predicts. Configs that are the same after the swap run once. What fails
runs once more with a small ResNet: if that fails alike, the fault is MMPose's own.

Results are kept in FOLDER, so that a run that was ended goes on; ``table.md`` there shows them by family. Exit status: 0 if
nothing failed that MMPose does not fail at itself, 1 otherwise.
"""
import argparse
import contextlib
import gc
import hashlib
import io
import json
import logging
import shutil
import sys
import time
import traceback
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.config import config as mmengine_config

import rsn_mm  # noqa: F401  makes the stack importable

sys.path.insert(0, str(Path(__file__).parent))
from swapped import CONFIGS, ENCODER, STAGES, STOCK, NotApplicable, load, shrink, swap  # noqa: E402
from tiny_data import TinyData  # noqa: E402

PASSED, FAILED, OWN, NOT_APPLICABLE, NOT_RUN = 'passed', 'failed', "MMPose's own", 'not applicable', 'not run'
# What configs of one swapped model differ in, and what two iterations do not show.
IGNORED = ('auto_scale_lr', 'param_scheduler', 'train_cfg', 'work_dir', 'experiment_name', 'base_lr', 'max_epochs')
COLUMNS = ('family', 'configs', 'runs', *(f'{kind} {result}' for kind in (ENCODER, STAGES) for result in ('passed', 'failed')),
           OWN, NOT_APPLICABLE, NOT_RUN)


def main() -> int:
    args = parse_arguments()
    warnings.simplefilter('ignore')
    (args.out / 'results').mkdir(parents=True, exist_ok=True)
    data = TinyData(args.out / 'data')
    until = time.monotonic() + 60 * args.minutes
    # Making the text of a config pretty takes longer than the two iterations.
    mmengine_config.FormatCode = lambda text, **options: (text, True)
    gc.freeze()  # each data set collects garbage when it is built, some configs have thirty, and all modules would be searched
    records = []
    for name, variant in order(names(args.words), args.each):
        record = run_once(name, variant, data, args.out, args.amp, time.monotonic() < until)
        records.append(record)
        if record['new']:
            print(f'{record["result"]:15} {variant:20} {name}  {record.get("reason", "")}', flush=True)
    records.sort(key=lambda record: record['name'])
    text = table(records)
    (args.out / 'table.md').write_text(text)
    print(text)
    return int(any(record['result'] == FAILED for record in records))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('words', nargs='*', metavar='WORD', help='only configs whose path contains one of these')
    parser.add_argument('--out', type=Path, required=True, help='folder for data and results')
    parser.add_argument('--each', type=int, help='at most so many configs of each folder')
    parser.add_argument('--minutes', type=float, default=1e6, help='begin no run after so many; later calls go on')
    parser.add_argument('--amp', action='store_true', help='train and validate in bfloat16; give it an --out of its own')
    return parser.parse_args()


def names(words: Sequence[str]) -> List[str]:
    found = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts)
    return [name for name in found if not words or any(word in name for word in words)]


def order(found: Sequence[str], each: Optional[int] = None) -> List[Tuple[str, str]]:
    """Configs and variants. The first of each folder, then the second, and so on: what is ended has seen every kind.

    ``each``: at most so many configs of a folder.
    """
    folders = [str(Path(name).parent) for name in found]
    pairs = [(index - folders.index(folder), variant, name)
             for index, (folder, name) in enumerate(zip(folders, found)) for variant in (ENCODER, STAGES)]
    pairs.sort(key=lambda pair: (pair[0], pair[1] == STAGES))
    return [(name, variant) for index, variant, name in pairs if each is None or index < each]


def run_once(name: str, variant: str, data: TinyData, out: Path, amp: bool = False, begin: bool = True) -> Dict[str, Any]:
    """Run a config, or take the result of one that is the same; what came of it, as plain types.

    ``begin=False`` takes results only.
    """
    record = dict(name=name, variant=variant, new=False)
    config = None
    try:
        config = load(name)
        swap(config, variant)
    except NotApplicable as reason:
        return dict(record, result=NOT_APPLICABLE, reason=str(reason))
    except Exception as error:
        print(traceback.format_exc(), file=sys.stderr, flush=True)
        doing, result = ('reading', OWN) if config is None else ('swapping', FAILED)
        return dict(record, result=result, reason=f'{doing}: {message(error)}', new=True)
    file = out / 'results' / f'{digest(config)}.json'
    if not file.is_file() and not begin:
        return dict(record, result=NOT_RUN)
    if not file.is_file():
        began = time.monotonic()
        result, reason = judge(name, variant, data, out / 'work', amp)
        file.write_text(json.dumps(dict(result=result, reason=reason, seconds=round(time.monotonic() - began, 1), of=name)))
        record['new'] = True
    return dict(record, run=file.stem, **json.loads(file.read_text()))


def judge(name: str, variant: str, data: TinyData, work_dir: Path, amp: bool) -> Tuple[str, str]:
    error = attempt(name, variant, data, work_dir, amp)
    if error is None:
        return PASSED, ''
    return (OWN if attempt(name, STOCK, data, work_dir, amp) == error else FAILED), error


def attempt(name: str, variant: str, data: TinyData, work_dir: Path, amp: bool) -> Optional[str]:
    """What goes wrong, or None."""
    shutil.rmtree(work_dir, ignore_errors=True)
    folder = work_dir / hashlib.md5(f'{name}{variant}{time.time()}'.encode()).hexdigest()[:8]
    try:
        config = load(name)
        swap(config, variant)
        shrink(config, data, folder, amp)
        with contextlib.redirect_stdout(io.StringIO()):
            train_and_predict(config, data)
    except Exception as error:
        print(traceback.format_exc(), file=sys.stderr, flush=True)
        return message(error)
    return None


def train_and_predict(config: Config, data: TinyData) -> Any:
    """Train, validate, save, load, predict.

    Returns:
        PoseDataSample: A prediction.

    Raises:
        AssertionError: where one of these left out what it is for.
    """
    from mmengine.runner import Runner
    from mmpose.apis import inference_bottomup, inference_topdown, init_model
    runner = Runner.from_cfg(config)
    runner.train()
    scalars = runner.message_hub.log_scalars
    losses = scalars['train/loss'].data[0]
    assert len(losses) >= 2 and np.isfinite(losses).all(), f'losses of training: {losses}'
    assert any(key.startswith('val/') for key in scalars), 'no metric was written'
    model = init_model(config, str(Path(config.work_dir) / 'epoch_1.pth'), device='cpu')
    for parameter, trained in zip(model.state_dict().values(), runner.model.state_dict().values()):
        assert torch.equal(parameter, trained) or 'EMAHook' in str(config.get('custom_hooks')), 'other weights were loaded'
    picture = str(data.picture(1))
    if config.model.type == 'BottomupPoseEstimator':
        return inference_bottomup(model, picture)[0]
    sample, = inference_topdown(model, picture, [[20, 15, 150, 185]])
    assert np.isfinite(sample.pred_instances.keypoints).all(), 'joints are no numbers'
    return sample


def digest(config: Config) -> str:
    """The same for configs that nothing tells apart after the swap."""
    plain = {key: value for key, value in config.to_dict().items() if key not in IGNORED}
    optimizer = plain.get('optim_wrapper', {}).get('optimizer', {})
    for name in ('lr', 'weight_decay'):
        optimizer.pop(name, None)
    for part in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for name in ('batch_size', 'num_workers'):
            plain.get(part, {}).pop(name, None)
    return hashlib.md5(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:12]


def message(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or ['']
    return f'{type(error).__name__}: {lines[-1] if lines[0].startswith("class `") else lines[0]}'[:300]


def table(records: Sequence[Dict[str, Any]]) -> str:
    """Markdown: a row for each family, the failures by name below it."""
    families: Dict[str, List[Dict[str, Any]]] = defaultdict(list)
    for record in records:
        families['/'.join(record['name'].split('/')[:2])].append(record)
    rows = [COLUMNS, (':--', ) + ('--:', ) * (len(COLUMNS) - 1)]
    rows += [row(family, members) for family, members in families.items()]
    lines = [f'| {" | ".join(map(str, cells))} |' for cells in rows]
    return '\n'.join([*lines, '', *failures(records)]).rstrip() + '\n'


def row(family: str, records: Sequence[Dict[str, Any]]) -> Tuple[Any, ...]:
    counts = [sum(record['variant'] == kind and record['result'] == result for record in records)
              for kind in (ENCODER, STAGES) for result in (PASSED, FAILED)]
    encoder = [record for record in records if record['variant'] == ENCODER]
    return (family, len(encoder), len({record['run'] for record in records if 'run' in record}), *counts,
            *(sum(record['result'] == result for record in encoder) for result in (OWN, NOT_APPLICABLE)),
            sum(record['result'] == NOT_RUN for record in records))


def failures(records: Sequence[Dict[str, Any]]) -> Iterator[str]:
    by_reason = defaultdict(list)
    for record in records:
        if record['result'] in (FAILED, OWN) or (record['result'] == NOT_APPLICABLE and record['variant'] == ENCODER):
            by_reason[record['result'], record.get('reason', '')].append(f'{Path(record["name"]).stem}'
                                                                      + ' (stages)' * (record['variant'] == STAGES))
    for (result, reason), members in sorted(by_reason.items()):
        yield f'- {result}: {reason}: {", ".join(sorted(set(members)))}'


if __name__ == '__main__':
    logging.getLogger().setLevel(logging.ERROR)
    sys.exit(main())
