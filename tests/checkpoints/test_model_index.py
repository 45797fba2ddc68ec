"""mim sorts and filters our models, and finds configs and the address of MMPose's weights; nothing is downloaded here."""
from pathlib import Path

import pytest
import yaml

import rsn_mm  # noqa: F401  makes the stack importable
from rsn_mm.model_index import METADATA, read_entries

ROOT = Path(__file__).parents[2]
MODELS = {model['Name']: model for model in yaml.safe_load((ROOT / 'configs/metafile.yml').read_text())['Models']}
# Our configs that MMPose has weights for, and MMPose's names of them.
WITH_WEIGHTS = {'rsn18_coco_256x192': 'rsn18', 'rsn50_coco_256x192': 'rsn50', '2xrsn50_coco_256x192': '2xrsn50',
                '3xrsn50_coco_256x192': '3xrsn50', 'resnet50_coco_256x192': 'mspn50', '4xresnet50_coco_256x192': '4xmspn50'}


@pytest.fixture
def mim_search(monkeypatch):
    """mim's own search on this checkout."""
    module = pytest.importorskip('mim.commands.search')
    monkeypatch.setattr(module, 'is_installed', lambda package: True)
    monkeypatch.setattr(module, 'get_installed_path', lambda package: str(ROOT / 'rsn_mm'))
    return lambda **options: list(module.get_model_info('rsn_mm', **options).index)


@pytest.fixture
def mim_download(mim_search, tmp_path, monkeypatch):
    """mim's own command on this checkout; downloading is replaced by noting down the address."""
    module = pytest.importorskip('mim.commands.download')
    monkeypatch.setattr(module, 'is_installed', lambda package: True)
    monkeypatch.setattr(module, 'get_installed_path', lambda package: str(ROOT / 'rsn_mm'))
    monkeypatch.setattr(module, 'module_full_name', lambda package: package)
    addresses = []
    monkeypatch.setattr(module, 'download_from_file', lambda url, path, **kwargs: addresses.append(url))

    def run(name):
        module.download('rsn_mm', [name], str(tmp_path))
        return addresses, tmp_path / f'{name}.py'

    return run


@pytest.mark.parametrize('field', ['Parameters', 'MACs'])
def test_mim_sorts_and_filters(mim_search, field):
    values = {name: model['Metadata'][field] for name, model in MODELS.items()}
    found = [values[name] for name in mim_search(sorted_fields=[field])]
    assert found == sorted(values.values())
    assert set(mim_search(filter_conditions=f'{field.lower()}<=4068000000')) == {
        name for name, value in values.items() if value <= 4068000000}


def test_mim_names_no_field_that_it_cannot_sort_by():
    """It makes a field of the words before a unit in brackets, with the unit behind, and looks for it in lower case."""
    assert not [key for model in MODELS.values() for key in model['Metadata'] if '(' in key]


@pytest.mark.parametrize('name', WITH_WEIGHTS)
def test_mim_finds_config_and_weights(mim_download, name):
    addresses, config = mim_download(name)
    assert addresses == [MODELS[name]['Weights']]
    assert 'MultiStageHead' in config.read_text()


@pytest.mark.parametrize('name', WITH_WEIGHTS)
def test_addresses_and_results_are_those_that_mmpose_prints(name):
    family = 'mspn' if 'mspn' in WITH_WEIGHTS[name] else 'rsn'
    mmpose = pytest.importorskip('mmpose')
    folder = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco'
    theirs, = [model for model in yaml.safe_load((folder / f'{family}_coco.yml').read_text())['Models']
               if model['Name'].startswith(f'td-hm_{WITH_WEIGHTS[name]}_')]
    ours = MODELS[name]
    assert ours['Weights'] == theirs['Weights']
    assert ours['Metadata']['Weights Result'].startswith(f'{theirs["Results"][0]["Metrics"]["AP"] * 100:.1f} AP on val2017')


def test_weights_are_called_mmposes_and_no_result_is_ours():
    assert {name for name, model in MODELS.items() if 'Weights' in model} == set(WITH_WEIGHTS)
    assert all('MMPose' in MODELS[name]['Metadata']['Weights From'] for name in WITH_WEIGHTS)
    assert not any('Results' in model for model in MODELS.values())


@pytest.mark.parametrize('content, message', [
    ('Models: [', 'is no YAML file'), ('', 'has no list of Models'), ('Models: 5', 'has no list of Models'),
    ('Models: [a]', r"Models\[0\] is 'a'. Give an object with a Name"),
    ('Models: [{Config: a.py}]', 'Give an object with a Name'),
    ('Models: [{Name: a, Metadata: [1]}]', r'Models\[0\] \(a\): Metadata is \[1\]. Give an object, or leave it out'),
    ('Models: [{Name: a, Weights: [x]}]', r"Weights is \['x'\]. Give an address"),
    *((f'Models: [{{Name: a, Metadata: {{{key}: {{}}}}}}]', rf'\(a\): {key} is {{}}. Give {words}, or leave')
      for key, (_, words) in METADATA.items())])
def test_a_metafile_of_other_types_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / 'metafile.yml'
    path.write_text(content)
    with pytest.raises(ValueError, match=f'metafile.yml.*{message}'):
        read_entries(path)


def test_all_but_the_name_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / 'metafile.yml'
    path.write_text('Models: [{Name: a}, {Name: b, Metadata: {MACs: null}, Weights: null}]')
    assert read_entries(path) == [dict(Name='a', Metadata={}), dict(Name='b', Metadata={})]
