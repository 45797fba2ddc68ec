"""The command that checks a data set: what it lists, its report and its exit status."""
import gzip
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Tuple

import cv2
import numpy as np
import pytest

from rsn_mm.datasets.checking import Source, check, sources_of_config
from rsn_mm.datasets.kinds import KINDS

from ..conftest import load_script

TOOL = Path(__file__).parents[2] / 'tools' / 'check_dataset.py'


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    return load_script(TOOL)


@pytest.fixture
def run(tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., Tuple[int, str]]:

    def call(*arguments: Any) -> Tuple[int, str]:
        monkeypatch.setattr(sys, 'argv', ['check_dataset.py', *map(str, arguments), '--quiet'])
        try:
            status = tool.main()
        except SystemExit as exit:
            status = exit.code
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / '1.jpg'), np.zeros((120, 100, 3), np.uint8))
    return tmp_path / '1.jpg'


class TestCommand:

    def test_no_faults(self, run: Callable, tmp_path: Path, photo: Path, coco_file: Callable) -> None:
        status, text = run('--ann', coco_file(tmp_path / 'a.json'), '--images', tmp_path)
        assert status == 0 and 'no faults\n0 errors, 0 warnings' in text

    def test_warnings_are_no_errors(self, run: Callable, tmp_path: Path, coco_file: Callable) -> None:
        file = coco_file(tmp_path / 'a.json', num_keypoints=17, bbox=[-5, 2, 30, 40])
        status, text = run('--ann', file, '--no-photos')
        assert status == 0 and '0 errors, 2 warnings' in text and 'warning: box partly outside: 2' in text

    def test_errors_are_listed_with_ids(self, run: Callable, tmp_path: Path, photo: Path, coco_file: Callable) -> None:
        photo.write_bytes(photo.read_bytes()[:-9])
        file = coco_file(tmp_path / 'a.json', num_people=12, bbox=[1, 2, 0, 0])
        arguments = ('--ann', file, '--images', tmp_path, '--json', tmp_path / 'out.json')
        status, text = run(*arguments)
        assert status == 1 and '14 errors, 0 warnings' in text
        assert 'error: box empty: 12 ' in text and 'annotation 10, photo 1, file 1.jpg' in text
        assert 'annotation 11' not in text and 'and 2 more (--all lists them)' in text
        assert f'photo 1, file {photo}: ' in text and 'error: photo cut short: 1 ' in text
        report = json.loads((tmp_path / 'out.json').read_text())
        assert report['counts'] == {'box empty': 12, 'nobody': 1, 'photo cut short': 1}
        assert [fault['annotation_id'] for fault in report['faults'][:12]] == list(range(1, 13))
        assert 'annotation 12, photo 1' in run(*arguments, '--all')[1]

    @pytest.mark.parametrize('data, detail', [
        (b'{"images": [', 'no whole JSON'), (b'{"a": "\xff"}', 'not utf-8 at byte 7'), (b'[]', 'no object'),
        (gzip.compress(b'{}', mtime=0), 'compressed by gzip: unpack it')])
    def test_broken_file(self, run: Callable, tmp_path: Path, data: bytes, detail: str) -> None:
        (tmp_path / 'a.json').write_bytes(data)
        status, text = run('--ann', tmp_path / 'a.json', '--no-photos')
        assert status == 1 and detail in text and str(tmp_path / 'a.json') in text

    @pytest.mark.parametrize('arguments, message', [
        ((), 'either CONFIG or --ann'), (('c.py', '--ann', 'a.json'), 'either CONFIG or --ann'),
        (('--ann', 'a.json'), 'give --images FOLDER'), (('--ann', 'none.json', '--no-photos'), 'none.json'),
        (('none.py', ), 'none.py'), (('c.py', '--workers', '0'), '--workers 0')])
    def test_usage(self, run: Callable, arguments: Tuple, message: str) -> None:
        status, text = run(*arguments)
        assert status == 2 and message in text

    def test_config(self, run: Callable, tmp_path: Path, photo: Path, coco_file: Callable) -> None:
        coco_file(tmp_path / 'val.json')
        (tmp_path / 'boxes.json').write_text(json.dumps([dict(image_id=i, bbox=[1, 2, 3, 4], score=1.) for i in (2, 1)]))
        config = tmp_path / 'c.py'
        config.write_text(f"val_dataloader = dict(dataset=dict(type='CocoDataset', data_root={str(tmp_path)!r}, "
                          f"ann_file='val.json', data_prefix=dict(img=''), bbox_file={str(tmp_path / 'boxes.json')!r}))")
        status, text = run(config, '--split', 'val')
        assert status == 1 and 'error: detection photo: 1 ' in text and 'detection 0, photo 2' in text and '1 errors' in text
        status, text = run(config, '--split', 'train')
        assert status == 2 and 'has no train_dataloader' in text
        assert run(config, '--split', 'val', '--cfg-options', 'val_dataloader.dataset.bbox_file=')[0] == 0


class TestConfigs:

    @pytest.mark.parametrize('name, is_mpii', [('rsn18_coco_256x192', False), ('rsn18_mpii_256x256', True)])
    def test_files(self, config_dir: Path, name: str, is_mpii: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv('COCO_ROOT', '/data/')
        monkeypatch.setenv('MPII_ROOT', '/data/')
        source, = sources_of_config(config_dir / f'{name}.py')
        assert source.annotations.startswith('/data/annotations/') and source.images.startswith('/data/')
        assert source.is_mpii is is_mpii

    def test_combined(self, tmp_path: Path) -> None:
        parts = [dict(type='CocoDataset', ann_file='a'), dict(type='MpiiDataset', ann_file='b')]
        dataset = dict(type='RepeatDataset', dataset=dict(type='CombinedDataset', datasets=parts))
        (tmp_path / 'c.py').write_text(f'train_dataloader = dict(dataset={dataset})')
        sources = sources_of_config(tmp_path / 'c.py')
        assert [source[:4] for source in sources] == [('a', '', None, False), ('b', '', None, True)]

    def test_mpii(self, tmp_path: Path, mpii_file: Callable) -> None:
        faults = list(check(Source(mpii_file(tmp_path / 'a.json'), str(tmp_path), None, True), progress=False))
        assert [fault.kind for fault in faults] == ['photo missing']
        (tmp_path / 'b.json').write_text('{}')
        assert [fault.kind for fault in check(Source(str(tmp_path / 'b.json'), None, None, True))] == ['file']

    def test_mpii_to_predict(self, tmp_path: Path, mpii_file: Callable) -> None:
        """The checker knows from the config that nobody needs a joint there."""
        mpii_file(tmp_path / 'a.json', joints_vis=[0] * 16)
        part = dict(type='MpiiDataset', ann_file=str(tmp_path / 'a.json'))
        (tmp_path / 'c.py').write_text(f'train_dataloader = dict(dataset={part})\n'
                                       f'test_dataloader = dict(dataset={dict(part, test_mode=True)})')
        kinds = {}
        for split in ('train', 'test'):
            source, = sources_of_config(tmp_path / 'c.py', split)
            kinds[split] = [fault.kind for fault in check(source._replace(images=None))]
        assert kinds == dict(train=['no joint', 'no joint', 'nobody'], test=[])


def test_the_tool_says_what_each_kind_is(run: Callable[..., Tuple[int, str]]) -> None:
    status, text = run('--kinds')
    assert status == 0
    assert 'error: box empty (a box of no area; in training: left out)' in text
    lines = text.splitlines()
    assert len(lines) == len(KINDS)
    assert lines == sorted(lines, key=lambda line: ['stops)', 'left out)', 'kept)'].index(line.split('in training: ')[1]))
