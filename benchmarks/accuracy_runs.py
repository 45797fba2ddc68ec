"""Trainings that are compared with each other: the same config at another size and length, one process each, resumable."""
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional

from mmengine.config import Config

from rsn_mm.input_size import set_input_size

ROOT = Path(__file__).resolve().parent.parent
# Names in tables and in the log: of LSPET's validation people, after epochs of training.
METRICS = {'PCK@0.2': '0.2/PCK', 'PCK@0.1': '0.1/PCK', 'AP': 'lspet/AP', 'AP 0.75': 'lspet/AP .75'}
# Of the last epoch alone, PCK@0.2 of the torso: on LSP's people who were set aside, to choose by, and on its test people.
TESTS = {
    'LSP set aside': {'test_dataloader.dataset.ann_file': 'lsp_train.json', 'test_dataloader.dataset.indices': -100},
    'LSP test': {},
}
RESULT = 'result.json'
# What a training was made with beside what its name says.
HOW = 'made_with.json'


class Run(NamedTuple):
    """One training: config name, seed, epochs, half or full input size, and the checkpoint to begin with, if any."""
    config: str
    seed: int
    epochs: int
    half_size: bool = False
    load_from: Optional[str] = None

    @property
    def name(self) -> str:
        size = '_half' if self.half_size else ''
        return f'{self.config}{size}_{self.epochs}e_seed{self.seed}'


def run_config(run: Run, options: Optional[Dict[str, Any]] = None) -> Config:
    """The config of a run: seed, length and schedule, size of the input, and ``options`` as of ``--cfg-options``."""
    cfg = Config.fromfile(ROOT / 'configs' / f'{run.config}.py')
    if run.half_size:
        cfg = halved(cfg)
    cfg.train_cfg.update(max_epochs=run.epochs, val_interval=max(run.epochs // 10, 1))
    cfg.param_scheduler[-1].end = run.epochs
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=1)
    cfg.randomness = dict(seed=run.seed)
    cfg.load_from = run.load_from
    cfg.merge_from_dict(options or {})
    return cfg


def halved(cfg: Config) -> Config:
    """Half the input size, and with it heatmaps, Gaussians and the blur of predictions (to the next odd size)."""
    plain = cfg.to_dict()
    half = [{name: (codec[name] + 1) // 2 | 1 for name in ('kernel_size', 'blur_kernel_size') if name in codec}
            for codec in plain['codecs']]
    decoder = plain['model']['head']['decoder']
    set_input_size(plain, tuple(side // 2 for side in decoder['input_size']),
                   kernel_size=[sizes['kernel_size'] for sizes in half], blur_kernel_size=half[-1].get('blur_kernel_size'),
                   sigma=decoder['sigma'] / 2 if 'sigma' in decoder else None)
    return Config(plain)


def train(run: Run, work_dir: Path, amp: bool, options: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """Train, or go on where a training was cut off, and return the result of the last epoch; also of one that is done.

    Needs LSP and LSPET as ``configs/_base_/lsp_256x192.py`` reads them.

    Raises:
        ValueError: if the folder holds a training of the same name with other options, precision or beginning.
    """
    folder = work_dir / run.name
    result = folder / RESULT
    _claim(folder, dict(load_from=run.load_from, amp=amp, options=options or {}))
    if not result.is_file():
        config = folder / f'{run.config}.py'
        run_config(run, options).dump(config)
        resume = any(folder.glob('epoch_*.pth'))  # else --resume would forget load_from
        _run_tool('train', folder, str(config), '--work-dir', str(folder), *['--resume'] * resume, *['--amp'] * amp)
        found = summary(folder, run)
        found['metrics'].update({name: _torso_pck(folder, config, run.epochs, name) for name in TESTS})
        result.write_text(json.dumps(found, indent=2) + '\n')
    return json.loads(result.read_text())


def _claim(folder: Path, how: Dict[str, Any]) -> None:
    """Make ``folder`` that of a training made so; refuse one that stands for another: its numbers would pass for this one's."""
    file, how = folder / HOW, json.loads(json.dumps(how, default=str))
    if file.is_file() and json.loads(file.read_text()) != how:
        raise ValueError(f'{folder} holds a training with {file.read_text().strip()}, not {json.dumps(how)}. Give another '
                         '--work-dir, or delete that folder.')
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(how) + '\n')


def _torso_pck(folder: Path, config: Path, epoch: int, name: str) -> float:
    """PCK@0.2 of the torso of the last checkpoint on one of :data:`TESTS`."""
    work_dir = folder / name.replace(' ', '_')
    options = [f'{key}={value}' for key, value in TESTS[name].items()]
    _run_tool('test', folder, str(config), str(folder / f'epoch_{epoch}.pth'), '--work-dir', str(work_dir),
              *(['--cfg-options', *options] if options else []))
    return json.loads(max(work_dir.glob('*/*.json')).read_text())['lsp/tPCK']


def _run_tool(name: str, folder: Path, *arguments: str) -> None:
    """``tools/<name>.py`` in a process of its own, whose output goes to a file in ``folder``."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')]))
    with open(folder / 'output.log', 'a', encoding='utf-8') as log:
        subprocess.run([sys.executable, str(ROOT / 'tools' / f'{name}.py'), *arguments], check=True, stdout=log, stderr=log,
                       env=environment)


def summary(folder: Path, run: Run) -> Dict[str, Any]:
    """Metrics of the last validation, the curve of all of them, and the hours of computing that the log counts."""
    lines = [json.loads(line) for file in sorted(folder.glob('*/vis_data/scalars.json'))
             for line in file.read_text().splitlines()]
    by_epoch = {line['step']: line for line in lines if METRICS['AP'] in line}
    steps = {line['step']: line for line in lines if 'loss' in line}
    if not by_epoch or max(by_epoch) != run.epochs:
        raise RuntimeError(f'{folder} holds no validation of epoch {run.epochs}; output.log there says why.')
    last = by_epoch[run.epochs]
    curve = [dict(epoch=epoch, **_metrics(line)) for epoch, line in sorted(by_epoch.items())]
    seconds = [line['time'] for line in steps.values()]
    return dict(run._asdict(), metrics=_metrics(last), curve=curve, iterations=max(steps),
                hours=max(steps) * sum(seconds) / len(seconds) / 3600)


def _metrics(line: Dict[str, Any]) -> Dict[str, float]:
    return {name: line[key] for name, key in METRICS.items() if key in line}
