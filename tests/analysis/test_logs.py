"""Results are found where MMEngine leaves them, and go to the right config."""
import json
from pathlib import Path

import pytest

from rsn_mm.analysis.logs import find_results

AP = 'coco/AP'


def write(path: Path, *entries: dict, tail: str = '') -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(json.dumps(entry) for entry in entries) + tail)
    return path


def test_nothing(tmp_path):
    assert find_results(tmp_path, AP) == {}


def test_training_log_by_the_copy_of_its_config(tmp_path):
    run = tmp_path / 'whatever'
    log = write(run / '1' / 'vis_data' / '1.json', {'loss': 3., 'step': 1}, {AP: .4}, {AP: .7}, {AP: .6})
    (run / 'a.py').touch()
    (run / '1' / 'vis_data' / 'config.py').touch()
    found = find_results(tmp_path, AP)
    assert list(found) == ['a']
    assert found['a'].value == pytest.approx(70) and found['a'].file == log


def test_test_log_and_metrics_by_the_folder(tmp_path):
    write(tmp_path / 'a' / '2' / '2.json', {AP: .5})
    write(tmp_path / 'b' / 'metrics.json', {AP: .25})
    found = find_results(tmp_path, AP)
    assert found['a'].value == pytest.approx(50) and found['b'].value == pytest.approx(25)


def test_best_of_several_runs(tmp_path):
    for run, value in (('1', .3), ('2', .8), ('3', .5)):
        write(tmp_path / 'a' / run / f'{run}.json', {AP: value})
    assert find_results(tmp_path, AP)['a'].value == pytest.approx(80)


def test_configs_are_kept_apart(tmp_path):
    for name, value in (('a', .3), ('b', .8)):
        write(tmp_path / name / '1' / '1.json', {AP: value})
        (tmp_path / name / f'{name}.py').touch()
    found = find_results(tmp_path, AP)
    assert (found['a'].value, found['b'].value) == (pytest.approx(30), pytest.approx(80))


def test_percent_stays_percent(tmp_path):
    write(tmp_path / 'a' / 'metrics.json', {'PCK': 88.5})
    assert find_results(tmp_path, 'PCK', to_percent=1.)['a'].value == pytest.approx(88.5)


@pytest.mark.parametrize('entry', [{AP: -1.0}, {AP: float('nan')}, {AP: None}, {AP: 'high'}, {'coco/AR': .5}, [AP], 3])
def test_no_result_is_no_result(tmp_path, entry):
    write(tmp_path / 'a' / 'metrics.json', entry)
    assert find_results(tmp_path, AP) == {}


def test_other_json_is_left_alone(tmp_path):
    write(tmp_path / 'a' / 'results.keypoints.json', {AP: .5})
    assert find_results(tmp_path, AP) == {}


def test_log_of_a_killed_run(tmp_path):
    write(tmp_path / 'a' / '1' / 'vis_data' / 'scalars.json', {AP: .5}, tail='\n{"coco/AP": 0.')
    assert find_results(tmp_path, AP)['a'].value == pytest.approx(50)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match='logs=.*nowhere.* is not a folder.*work_dirs'):
        find_results(tmp_path / 'nowhere', AP)
