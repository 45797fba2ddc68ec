"""Trainings that are compared: what differs between them, and that they go on, count and are not repeated."""
import json
import runpy
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any, Dict

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.visualization import PoseLocalVisualizer

from rsn_mm.codecs import QuarterOffsetHeatmap

from .. import warm

ROOT = Path(__file__).parents[2]
RIVALS = ['resnet18', 'res2net18', 'rsn50', 'rsn18_prm', 'rsn18_udp', 'mmpose_rsn18']


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    import accuracy_runs
    return accuracy_runs


@pytest.fixture
def lspet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight pictures of noise a file, a person of 14 joints in each, laid out as the two data sets are."""
    rng = np.random.default_rng(0)
    (tmp_path / 'images').mkdir()
    for number, split in enumerate(('train', 'val', 'lsp_train', 'lsp_test')):
        start = 8 * number + 1
        images, people = [], []
        for number in range(start, start + 8):
            cv2.imwrite(str(tmp_path / 'images' / f'{number}.png'), rng.integers(0, 256, (120, 90, 3), dtype=np.uint8))
            images.append(dict(id=number, file_name=f'{number}.png', width=90, height=120))
            joints = np.column_stack([rng.uniform(5, 85, 14), rng.uniform(5, 115, 14), np.full(14, 2.)])
            people.append(dict(id=number, image_id=number, category_id=1, iscrowd=0, bbox=[2., 2., 86., 116.], area=9976.,
                               keypoints=joints.ravel().tolist(), num_keypoints=14))
        category = dict(id=1, name='person', keypoints=[str(i) for i in range(14)], skeleton=[])
        (tmp_path / f'{split}.json').write_text(json.dumps(dict(images=images, annotations=people, categories=[category])))
    monkeypatch.setenv('LSPET_ROOT', f'{tmp_path}/')
    monkeypatch.setenv('LSP_ROOT', f'{tmp_path}/')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    return tmp_path


def without(config: Dict[str, Any], *keys: str) -> Dict[str, Any]:
    return {key: value for key, value in config.items() if key not in keys}


@pytest.mark.parametrize('rival', RIVALS)
def test_rivals_differ_in_nothing_but_their_model_and_its_data(runs: ModuleType, rival: str) -> None:
    """Optimizer, schedule, seed, number of persons in a batch, and which of them, are alike."""
    ours, theirs = (runs.run_config(runs.Run(f'{name}_lsp_256x192', seed=3, epochs=10)).to_dict()
                    for name in ('rsn18', rival))
    model_and_data = ('model', 'codec', 'codecs', 'train_pipeline', 'val_pipeline', 'train_dataloader', 'val_dataloader',
                      'test_dataloader')
    assert without(theirs, *model_and_data) == without(ours, *model_and_data)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        assert without(theirs[loader], 'dataset') == without(ours[loader], 'dataset')
        assert without(theirs[loader]['dataset'], 'pipeline') == without(ours[loader]['dataset'], 'pipeline')
        # Crops are the same, at all sizes of the input.
        steps, our_steps = ([without(step, 'use_udp') for step in config[loader]['dataset']['pipeline']
                             if step['type'] not in ('GenerateTarget', 'PackPoseInputs', 'rsn_mm.LoadVisibility')]
                            for config in (theirs, ours))
        assert steps == our_steps
    assert theirs['model'] != ours['model']


def test_half_size_is_the_config_of_half_the_size(runs: ModuleType) -> None:
    halved = runs.run_config(runs.Run('rsn18_lsp_256x192', seed=0, epochs=10, half_size=True))
    assert halved.to_dict() == runs.run_config(runs.Run('rsn18_lsp_128x96', seed=0, epochs=10)).to_dict()


def test_length_and_seed(runs: ModuleType) -> None:
    config = runs.run_config(runs.Run('rsn18_lsp_256x192', seed=7, epochs=20), options={'train_dataloader.batch_size': 5})
    assert config.train_cfg.max_epochs == config.param_scheduler[-1].end == 20
    assert config.randomness.seed == 7 and config.train_dataloader.batch_size == 5


@pytest.fixture
def one_process(runs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tool is a process of its own the first time."""
    monkeypatch.setattr(sys, 'executable', warm.python())
    process, seen = runs._run_tool, set()

    def run(name: str, folder: Path, *arguments: str) -> None:
        if name not in seen:
            seen.add(name)
            return process(name, folder, *arguments)
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *arguments])
        PoseLocalVisualizer._instance_dict.clear()  # its name is that of every training's, and it knows the first one's folder
        with open(folder / 'output.log', 'a') as log, redirect_stdout(log), redirect_stderr(log):
            runpy.run_path(str(ROOT / 'tools' / f'{name}.py'), run_name='__main__')

    monkeypatch.setattr(runs, '_run_tool', run)


@pytest.mark.usefixtures('one_process')
def test_mmposes_own_model_trains_once(runs: ModuleType, lspet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rival that shares the fewest classes with ours, at half the size, as a process of its own."""
    run = runs.Run('mmpose_rsn18_lsp_256x192', seed=0, epochs=1, half_size=True)
    options = {'model.backbone.num_blocks': [1, 1, 1, 1], 'train_dataloader.batch_size': 4,
               'train_dataloader.dataset.sample_ratio_factor': [.5, .5], 'train_dataloader.num_workers': 0,
               'train_dataloader.persistent_workers': False, 'val_dataloader.num_workers': 0,
               'val_dataloader.persistent_workers': False, 'default_hooks.logger.interval': 1}
    result = runs.train(run, lspet / 'runs', amp=False, options=options)
    assert result['iterations'] == 2 and result['config'] == run.config and 0 < result['hours'] < .1
    assert set(result['metrics']) == {*runs.METRICS, *runs.TESTS}
    assert all(0 <= value <= 1 for value in result['metrics'].values())
    assert result['curve'] == [dict(without(result['metrics'], *runs.TESTS), epoch=1)]
    used = Config.fromfile(lspet / 'runs' / run.name / f'{run.config}.py', import_custom_modules=False)
    assert used.model.head.decoder.kernel_size == 5 and used.model.head.out_shape == (32, 24)

    log = (lspet / 'runs' / run.name / 'output.log').read_text()
    assert runs.train(run, lspet / 'runs', amp=False, options=options) == result
    assert (lspet / 'runs' / run.name / 'output.log').read_text() == log

    monkeypatch.setattr(runs, 'TESTS', {})  # seen above
    # Another begins with its weights, and one that was cut off goes on from its own.
    folder = lspet / 'runs' / run.name
    longer = run._replace(epochs=2, load_from=str(folder / 'epoch_1.pth'))
    shutil.copytree(folder, lspet / 'cut_off' / longer.name)
    (lspet / 'cut_off' / longer.name / runs.HOW).unlink()  # it began as another
    for where, message in (('runs', f'Load checkpoint from {longer.load_from}'), ('cut_off', 'resumed epoch: 1')):
        (lspet / where / longer.name / runs.RESULT).unlink(missing_ok=True)
        assert runs.train(longer, lspet / where, amp=False, options=options)['iterations'] == 4
        assert message in (lspet / where / longer.name / 'output.log').read_text()


@pytest.mark.parametrize('changed', [dict(amp=True), dict(options={'optim_wrapper.optimizer.lr': 1.}), dict(load_from='a.pth')])
def test_the_result_of_another_training_is_not_passed_on(runs: ModuleType, tmp_path: Path, changed: dict) -> None:
    def train(amp: bool = False, options: Any = None, load_from: Any = None) -> dict:
        return runs.train(runs.Run('rsn18_lsp_256x192', 0, 1, load_from=load_from), tmp_path, amp, options)

    folder = tmp_path / runs.Run('rsn18_lsp_256x192', 0, 1).name
    folder.mkdir()
    (folder / runs.RESULT).write_text('{"hours": 3}')
    assert train() == train(options={}) == dict(hours=3)
    with pytest.raises(ValueError, match='holds a training with .*Give another --work-dir'):
        train(**changed)


def test_a_training_without_its_last_validation_has_no_result(runs: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / '1' / 'vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('{"loss": 1.0, "time": 1.0, "step": 5}\n')
    with pytest.raises(RuntimeError, match='holds no validation of epoch 3'):
        runs.summary(tmp_path, runs.Run('rsn18_lsp_256x192', seed=0, epochs=3))


def test_decoders_read_the_same_peak(runs: ModuleType) -> None:
    """A joint in the middle of a cell: all decoders of the comparison agree on it, whatever they do beside it."""
    from decoders import decoders
    codec = QuarterOffsetHeatmap((96, 128), (24, 32), kernel_size=7, blur_kernel_size=3)
    heatmaps = codec.encode(np.array([[[42., 62.], [22., 102.]]]))['heatmaps']
    found = {name: decode(heatmaps) for name, decode in decoders(codec).items()}
    assert len(found) == 4
    for keypoints, scores in found.values():
        assert keypoints.shape == (1, 2, 2) and scores.shape == (1, 2)
        # A quarter of a cell is 1 px; MMPose adds half a cell.
        assert np.abs(keypoints[0] - [[42, 62], [22, 102]]).max() <= 3
        torch.testing.assert_close(scores, np.full((1, 2), 1.5), rtol=0, atol=.05, check_dtype=False)
    np.testing.assert_allclose(found['highest pixel (argmax)'][0][0], [[42, 62], [22, 102]])
    np.testing.assert_allclose(found['DARK'][0][0], [[42, 62], [22, 102]], atol=.05)
