"""``rsn-mm models`` and ``rsn-mm download``, and what ``predict`` takes when no model is named."""
import json
from pathlib import Path

import pytest
import torch

from rsn_mm.apis.zoo import DETECTORS, SHIPPED
from rsn_mm.cli.main import main
from rsn_mm.downloads import checkpoint_folder, place_of
from rsn_mm.model_index import entries, weights_of


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch_home'))


def test_the_table_has_a_line_for_every_model(capsys) -> None:
    assert main(['models']) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(entries()) + len(DETECTORS)
    assert header.split() == ['name', 'data', 'set', 'joints', 'input', 'result', 'MACs', 'weights', 'where']
    rsn50 = next(line for line in lines if line.startswith('rsn50 '))
    assert all(part in rsn50 for part in ('COCO', '17', '256x192', '72.4 AP on val2017, by MMPose', '4.07 G', '77.3 MB',
                                          'to be downloaded'))
    assert len({line.rindex('  ') for line in [header, *lines] if line.endswith('none yet')}) == 1, 'columns stand in line'


def test_models_of_which_the_index_says_little(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    every = {'Training Data': 'Ours', 'Weights Result': '9 AP'}
    known = {'bare': dict(Name='bare', Metadata={}, Weights='https://example.org/bare.pth'),
             'other': dict(Name='other', Metadata=every, Weights='https://example.org/other.pth'),
             'none': dict(Name='none', Metadata={})}
    for module in ('rsn_mm.model_index', 'rsn_mm.apis.zoo'):
        monkeypatch.setattr(f'{module}.entries', lambda: known)
    assert main(['models']) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:4]]
    assert lines[0] == ['bare', *'------', 'to', 'be', 'downloaded']
    assert lines[1] == ['other', 'Ours', '-', '-', '9', 'AP,', 'by', '?', '-', '-', 'to', 'be', 'downloaded']
    assert lines[2] == ['none', *'------', 'none', 'yet']
    assert main(['models', '--json']) == 0


def test_models_as_json(capsys) -> None:
    assert main(['models', '--json', '--with-weights']) == 0
    models = json.loads(capsys.readouterr().out)
    assert [model['name'] for model in models if model['state'] == 'in the package'] == [SHIPPED]
    assert all(model['weights'] for model in models)


def test_download_fetches_what_can_be_fetched(capsys) -> None:
    path = place_of(weights_of('rsn50_coco_256x192'))
    path.parent.mkdir(parents=True)
    path.touch()
    assert main(['download', 'rsn18', 'rsn50', SHIPPED, '--no-progress']) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        f'rsn50: {path}', f'{SHIPPED}: in the package, nothing to fetch: {weights_of(SHIPPED)}']
    assert 'rsn18: td-hm_rsn18' in captured.err and f'put it into {str(checkpoint_folder())!r}' in captured.err


@pytest.mark.parametrize('name, message', [('rsn51', 'Near names'), ('rsn101', 'it has to be trained')])
def test_download_refuses_names_that_stand_for_nothing(name: str, message: str, capsys) -> None:
    assert main(['download', 'rsn50', name]) == 2
    assert message in capsys.readouterr().err and not checkpoint_folder().exists()


def test_models_of_mmpose_have_weights_too(capsys) -> None:
    assert main(['download', 'human', '--no-progress']) == 1
    assert 'https://download' not in capsys.readouterr().out and not list(checkpoint_folder().glob('*.pth'))


def test_predict_without_a_model_prints_which_it_takes(folder: Path, tmp_path: Path, capsys, caplog) -> None:
    arguments = ['predict', str(folder / '0.png'), '--device', 'cpu', '--no-progress', '--out', str(tmp_path / 'out')]
    assert main(arguments) == 1
    assert 'NoDetectorError' in capsys.readouterr().err and not (tmp_path / 'out').exists()
    assert main([*arguments, '--det', 'whole']) == 0
    assert f'{SHIPPED} on cpu\n' in capsys.readouterr().err and 'in the place of rsn50' in caplog.text
    assert len(json.loads((tmp_path / 'out/predictions.json').read_text())['annotations']) == 1


def test_torch_home_is_where_pytorch_looks() -> None:
    assert checkpoint_folder() == Path(torch.hub.get_dir()) / 'checkpoints'
