"""JSON files, whole and broken."""
import gzip
from pathlib import Path

import pytest

from rsn_mm.json_files import read_json


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / 'a.json').write_text('{"ä": [1, null]}', encoding=encoding)
    assert read_json(tmp_path / 'a.json') == read_json(str(tmp_path / 'a.json')) == {'ä': [1, None]}


@pytest.mark.parametrize('content, message', [
    (b'', 'it is no whole JSON'), (b'[1', 'it is no whole JSON'), (b'"\xff"', 'not utf-8 at byte 1'),
    (gzip.compress(b'[]', mtime=0), 'compressed by gzip: unpack it'),
    pytest.param(b'[' * 10**5, 'it is nested too deeply', id='lists'),
    pytest.param(b'{"a":' * 10**5, 'it is nested too deeply', id='objects')])
def test_broken_files(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_json(tmp_path / 'a.json')


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='none.json'):
        read_json(tmp_path / 'none.json')
