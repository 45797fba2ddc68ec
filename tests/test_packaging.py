"""What the wheel carries: mim looks for tools, configs and the model index inside the installed package."""
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Set

import pytest
import yaml

import rsn_mm

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def wheel_files(tmp_path_factory: pytest.TempPathFactory) -> Set[str]:
    folder = tmp_path_factory.mktemp('wheel')
    checkout = folder / 'checkout'
    # A copy of what is committed and what is about to be: building in place would leave folders behind.
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip('not a git checkout')
    for name in listed.stdout.splitlines():
        source, target = ROOT / name, checkout / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                target.symlink_to(source.readlink())
            else:
                target.write_bytes(source.read_bytes())
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '-w', folder,
                    checkout], check=True)
    wheel, = folder.glob('*.whl')
    assert wheel.name.startswith(f'rsn_mm-{rsn_mm.__version__}-')
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_carries_every_tool_and_config_as_a_file(wheel_files: Set[str]) -> None:
    expected = {f'rsn_mm/.mim/{path.relative_to(ROOT)}' for folder in ('tools', 'configs')
                for path in (ROOT / folder).rglob('*.py')} | {
                    'rsn_mm/.mim/model-index.yml', 'rsn_mm/.mim/configs/metafile.yml'}
    assert expected <= wheel_files


def test_the_wheel_carries_the_weights(wheel_files: Set[str]) -> None:
    weights = {str(path.relative_to(ROOT)) for path in (ROOT / 'rsn_mm' / 'weights').iterdir()}
    assert weights == {name for name in wheel_files if '/weights/' in name} and weights


def test_the_wheel_carries_every_module_and_nothing_else(wheel_files: Set[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / 'rsn_mm').rglob('*.py') if '.mim' not in path.parts}
    carried = {name for name in wheel_files if name.endswith('.py') and '/.mim/' not in name}
    assert carried == modules


def test_the_model_index_lists_configs_that_exist() -> None:
    index = yaml.safe_load((ROOT / 'configs/metafile.yml').read_text())
    listed = {model['Config'] for model in index['Models']}
    shipped = {f'configs/{path.name}' for path in (ROOT / 'configs').glob('*.py')}
    # These two are for a demo and a sanity check, not rows of a table.
    assert listed == shipped - {'configs/rsn_people_128x96.py', 'configs/rsn_overfit_coco_256x192.py'}
    assert all(model['Config'] == f'configs/{model["Name"]}.py' for model in index['Models'])
