"""The text of a config, laid out one assignment at a time."""
from pathlib import Path
from typing import List

import pytest
from mmengine.config import Config
from mmengine.config import config as mmengine_config
from yapf.yapflib.yapf_api import FormatCode

from rsn_mm.compat.config_text import assignments, by_assignment

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.mark.parametrize('name', ['rsn18_lsp_128x96.py', 'rsn_people_128x96.py'])
def test_the_text_is_that_of_the_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = Config.fromfile(CONFIGS / name)
    ours = cfg.pretty_text
    monkeypatch.setattr(mmengine_config, 'FormatCode', FormatCode)
    assert ours == cfg.pretty_text


def test_an_assignment_is_laid_out_once() -> None:
    seen: List[str] = []

    def lay_out(code: str, **options: object) -> tuple:
        seen.append(code)
        return FormatCode(code, **options)

    format_code = by_assignment(lay_out)
    first, changed = format_code('a=dict(b = 1)\nc=2\n', style_config='pep8')
    assert (first, changed) == ('a = dict(b=1)\nc = 2\n', True)
    assert format_code('a=dict(b = 1)\nc=3\n', style_config='pep8')[0] == 'a = dict(b=1)\nc = 3\n'
    assert seen == ['a=dict(b = 1)\n', 'c=2\n', 'c=3\n']
    assert format_code('a=dict(b = 1)\n', style_config='google')[0] == 'a = dict(b=1)\n' and len(seen) == 4


@pytest.mark.parametrize('code', [
    'a = 1\n# why\nb = 2\n', 'a = 1\n\nb = 2\n', 'import os\na = 1\n', 'a = 1; b = 2\n', 'a = \n', ''])
def test_other_code_is_laid_out_whole(code: str) -> None:
    assert assignments(code) == []


def test_assignments_of_several_lines() -> None:
    parts = ['a = dict(\n    b=1)\n', "c = '''x\n\ny'''\n", 'd = 3']
    assert assignments(''.join(parts)) == parts
