"""JSON files, whole and broken."""
import gzip
import json
import re
import sys
from pathlib import Path

import pytest

from rsn_mm.json_files import parse_json, read_json


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


# Numbers that a parser in a hurry rounds or refuses, names that come twice, and what only the standard library reads.
ODD = ('702.1057499999998', '-9223372036854775E08', '4.9e-324', '1e-400', '-0', str(2**64), str(-2**70), '1e999',
       '[NaN, -Infinity]', '{"a": 1, "a": 2}', r'"\ud800"', r'"\ud83d\ude00"', 'null', '"a"', '[]', '{}')


class TestStandardLibrary:

    @pytest.mark.parametrize('text', ODD)
    def test_the_same_content(self, text: str) -> None:
        for whole in (text, f'{{"b": {text}}}', f'{{"a": [{text}, {{"c": {text}}}], "b": 1}}', f'{{"a": {text}}}'):
            assert repr(parse_json(whole.encode())) == repr(json.loads(whole))
            assert repr(parse_json(whole.encode(), {'a': lambda item: item})) == repr(json.loads(whole))

    @pytest.mark.parametrize('text', ['{"a": 1}\0', '{"a": [1, 01]}', '{"a": [1, 2], "b": [3', '{"a": [{"b": 1}, {"c"}]}',
                                      '[1] 2', '{"a": 1', ''])
    def test_the_same_refusal(self, text: str) -> None:
        with pytest.raises(ValueError) as expected:
            json.loads(text)
        for items in (None, {'a': str}):
            with pytest.raises(ValueError, match=re.escape(f'it is no whole JSON file: {expected.value}')):
                parse_json(text.encode(), items)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16', 'without msgspec'])
def test_items_are_replaced_as_they_are_read(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if encoding.startswith('without'):
        monkeypatch.setitem(sys.modules, 'msgspec', None)
        encoding = 'utf-8'
    text = '{"other": {"a": [1]}, "a": [1, {"b": [2]}, null], "b": 3, "c": {"d": 4}}'
    found = parse_json(text.encode(encoding), {'a': repr, 'b': repr, 'c': repr, 'd': repr})
    assert found == {'other': {'a': [1]}, 'a': ['1', "{'b': [2]}", 'None'], 'b': 3, 'c': {'d': 4}}
    assert parse_json('[1, 2]'.encode(encoding), {'a': repr}) == [1, 2]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='none.json'):
        read_json(tmp_path / 'none.json')
