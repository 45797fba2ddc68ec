"""``--badcase`` of MMPose's test script with a config of ours."""
import json
import runpy
import sys
from pathlib import Path
from typing import List

import mmpose
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.registry import MODELS

SCRIPT = Path(mmpose.__file__).parent / '.mim/tools/test.py'


@pytest.fixture
def run_test_script(tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd):
    """Test a network that has learnt nothing; its log and the files of bad cases."""

    def run(options: List[str]):
        with DefaultScope.overwrite_default_scope('rsn_mm'):
            torch.save(dict(state_dict=MODELS.build(tiny_config.model).state_dict()), tmp_path / 'random.pth')
        tiny_config.visualizer.name = tiny_config.experiment_name
        tiny_config.dump(tmp_path / 'config.py')
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), str(tmp_path / 'config.py'), str(tmp_path / 'random.pth'), '--badcase',
                                          '--work-dir', str(tmp_path / 'work'), *options])
        runpy.run_path(str(SCRIPT), run_name='__main__')
        captured = capfd.readouterr()
        return captured.out + captured.err, sorted((tmp_path / 'work').rglob('badcase/*'))

    return run


def test_bad_cases_are_drawn_and_listed(run_test_script, people) -> None:
    num_people = len(json.loads((Path(people.root) / 'annotations/person_keypoints_val.json').read_text())['annotations'])
    log, files = run_test_script([])
    results = json.loads(next(file for file in files if file.name == 'results.json').read_text())
    assert 0 < len(results) == len(files) - 1 <= num_people
    assert all(0 <= result['PCK'] <= .5 for result in results)
    assert f'Bad cases: {len(results)}' in log and log.count('Evaluating PCKAccuracy') == 0


def test_a_stricter_threshold_finds_none(run_test_script) -> None:
    _, files = run_test_script(['--cfg-options', 'default_hooks.badcase.badcase_thr=-1'])
    assert files == []


def test_detected_boxes_have_no_truth(run_test_script, people, tmp_path: Path) -> None:
    truth = json.loads((Path(people.root) / 'annotations/person_keypoints_val.json').read_text())['annotations']
    boxes = [dict(image_id=person['image_id'], category_id=1, bbox=person['bbox'], score=.9) for person in truth]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    log, files = run_test_script(['--cfg-options', f'test_dataloader.dataset.bbox_file={tmp_path / "boxes.json"}'])
    assert f'{len(boxes)} people have no annotated joints' in log and 'bbox_file=None' in log
    assert files == []
