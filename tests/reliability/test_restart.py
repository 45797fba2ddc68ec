"""Training that is killed goes on as if it had not been, and training from a seed repeats itself."""
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader
from mmpose.apis import inference_topdown, init_model

from rsn_mm.synthetic import make_people

from .. import warm
from ..conftest import load_script

SCRIPT = Path(__file__).with_name('kill_trials.py')


@pytest.fixture(scope='module')
def kill_trials() -> Iterator[Any]:
    """The script as a module."""
    module = load_script(SCRIPT)
    with pytest.MonkeyPatch.context() as patch:
        # MMEngine takes a second to lay out a config prettily.
        patch.setattr(module.mmengine_config, 'FormatCode', lambda text, **_: (text, True))
        yield module


@pytest.fixture(scope='module')
def config(kill_trials: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp('people')
    return kill_trials.read_config(
        make_people(folder / 'people', num_train=12, num_val=4, max_people=1, seed=3, progress=False).root)


def test_killed_runs_end_as_the_uninterrupted_one() -> None:
    done = subprocess.run([warm.python(), '-W', 'ignore', str(SCRIPT), '--trials', '3', '--seed', '8'],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '3 trials, ' in done.stdout and ' 0 trials that ended otherwise' in done.stdout


def test_the_same_seed_gives_the_same_weights_after_50_iterations(kill_trials: Any, config: Any, tmp_path: Path) -> None:
    changes = {'train_cfg': dict(max_epochs=17, val_interval=100), 'default_hooks.checkpoint.interval': 100,
               'default_hooks.checkpoint.save_last': False}
    runs = [kill_trials.train(config, tmp_path / name, **changes) for name in ('one', 'two')]
    assert [run.iter for run in runs] == [51, 51]
    one, two = (run.model.state_dict() for run in runs)
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


def test_stock_mmpose_reads_a_checkpoint_without_our_loader(kill_trials: Any, config: Any, tmp_path: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    kill_trials.train(config, tmp_path / 'run', **{'train_cfg': dict(max_epochs=1, val_interval=2)})
    checkpoint = str(tmp_path / 'run' / 'epoch_1.pth')

    def stock_loader(filename: str, map_location: Any = None) -> Any:
        return torch.load(filename, map_location=map_location, weights_only=True)

    ours = init_model(config.copy(), checkpoint, device='cpu')
    monkeypatch.setitem(CheckpointLoader._schemes, '', stock_loader)
    stock = init_model(config.copy(), checkpoint, device='cpu')
    assert stock.dataset_meta['sigmas'] == ours.dataset_meta['sigmas'].tolist()
    image = torch.randint(256, (80, 60, 3), dtype=torch.uint8).numpy()
    results = [inference_topdown(model, image)[0].pred_instances for model in (ours, stock)]
    assert (results[0].keypoints == results[1].keypoints).all()
