"""Machines of other people: each test makes the situation, in a process of its own."""
import ctypes
import json
import logging
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from rsn_mm.model_index import PACKAGE

PHOTO = Path(__file__).parents[2] / 'docs' / 'images' / 'demo.png'
# Root gives up what it may do against the modes of files.
WITHOUT_PRIVILEGES = ['setpriv', '--bounding-set=-dac_override,-dac_read_search']
CLONE_NEWNS, CLONE_NEWUSER, MS_RDONLY, MS_REC, MS_PRIVATE = 0x00020000, 0x10000000, 1, 1 << 14, 1 << 18
NO_NAMESPACE = 77
PREDICT = """
import sys
from rsn_mm.apis import PoseInferencer
for result in PoseInferencer('rsn18_lsp_128x96', device='cpu')(sys.argv[1], boxes=[[[10, 10, 90, 190]]], out=sys.argv[2]):
    print('joints', result.keypoints.shape)
"""


def predict(folder: Path, package: Path = PACKAGE, before: str = '', prefix: Sequence[str] = (), without: Sequence[str] = (),
            **variables: str) -> None:
    """Run ``before`` and then a prediction by our own model in ``folder``, with paths that are relative to it."""
    environment: Dict[str, str] = {key: value for key, value in os.environ.items() if key not in without}
    environment.update(PYTHONPATH=str(package.parent), OMP_NUM_THREADS='1', **variables)
    shutil.copy(PHOTO, folder / 'foto ü.png')
    done = subprocess.run([*prefix, sys.executable, '-c', before + PREDICT, 'foto ü.png', 'aus 出'], cwd=folder,
                          env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=500)
    assert done.returncode == 0 and 'joints (1, 14, 2)' in done.stdout, done.stdout[-3000:]
    assert 'Traceback' not in done.stdout
    found = json.loads((folder / 'aus 出' / 'predictions.json').read_text())
    assert 'foto ü.png' in json.dumps(found, ensure_ascii=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with spaces and letters of several scripts."""
    path = tmp_path / 'Läufer und Ärzte 人物 фото'
    path.mkdir()
    return path


def test_no_home_and_a_user_whom_nobody_knows(folder: Path, tmp_path: Path) -> None:
    unknown = 'import pwd\ndef getpwuid(uid): raise KeyError(uid)\npwd.getpwuid = getpwuid\n'
    predict(folder, before=unknown, without=['HOME', 'USER', 'LOGNAME'], TMPDIR=str(tmp_path))
    made, = tmp_path.glob('rsn_mm-home-*')
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_package_and_a_home_that_cannot_be_written_to(folder: Path, tmp_path: Path) -> None:
    prefix: List[str] = []
    if os.getuid() == 0:
        if shutil.which('setpriv') is None:
            pytest.skip('root may write whatever the modes forbid, and there is no setpriv to give that up')
        prefix = WITHOUT_PRIVILEGES
    site, home = tmp_path / 'site packages ü', tmp_path / 'home'
    home.mkdir()
    shutil.copytree(PACKAGE, site / 'rsn_mm', ignore=shutil.ignore_patterns('__pycache__'))
    before = set(site.rglob('*'))
    paths = [*sorted(before, reverse=True), site, home]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        predict(folder, site / 'rsn_mm', prefix=prefix, without=['XDG_CACHE_HOME'], HOME=str(home))
        assert set(site.rglob('*')) == before and not list(home.iterdir())
    finally:
        for path in paths:
            path.chmod(0o755)


def without_shared_memory(work: Callable[[], Any]) -> None:
    """Run ``work`` in a forked process whose /dev/shm cannot be written to."""
    def run() -> None:
        system = ctypes.CDLL(None)
        if (system.unshare(CLONE_NEWNS | (CLONE_NEWUSER if os.getuid() else 0)) or
                system.mount(None, b'/', None, MS_REC | MS_PRIVATE, None) or
                system.mount(b'tmpfs', b'/dev/shm', b'tmpfs', MS_RDONLY, None)):
            os._exit(NO_NAMESPACE)
        work()

    process = multiprocessing.get_context('fork').Process(target=run)
    process.start()
    process.join()
    if process.exitcode == NO_NAMESPACE:
        pytest.skip('this machine lets nobody mount another /dev/shm')
    assert process.exitcode == 0


def test_training_without_shared_memory(tiny_config: Config, tmp_path: Path) -> None:
    """With the workers that the config asks for, and with all that it says of them."""
    for part in ('train', 'val'):
        tiny_config[f'{part}_dataloader'].update(num_workers=2, persistent_workers=True, prefetch_factor=2)
    said = tmp_path / 'said.txt'

    def train() -> None:
        with pytest.raises(OSError):
            multiprocessing.get_context().Lock()
        logging.getLogger('rsn_mm').addHandler(logging.FileHandler(said))
        runner = Runner.from_cfg(tiny_config)
        runner.train()
        assert 'val/coco/AP' in runner.message_hub.log_scalars

    without_shared_memory(train)
    assert 'num_workers=2: worker processes cannot be had here (/dev/shm: ' in said.read_text()
    assert (tmp_path / 'work' / 'epoch_1.pth').is_file()
