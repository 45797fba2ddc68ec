"""The floors of the house: nothing imports upward, and the picture of them is true."""
from pathlib import Path

import pytest

from .conftest import load_script

ROOT = Path(__file__).parents[1]


def test_no_import_runs_upward(monkeypatch, capsys):
    """import-linter on the contract in pyproject.toml, which names every package and module of rsn_mm."""
    cli = pytest.importorskip('importlinter.cli')
    monkeypatch.chdir(ROOT)
    status = cli.lint_imports(no_cache=True)
    assert status == 0, capsys.readouterr().out


@pytest.fixture
def draw_layers():
    return load_script(ROOT / 'tools' / 'draw_layers.py')


def test_the_picture_is_drawn_from_the_imports(draw_layers):
    picture = (ROOT / 'docs' / 'images' / 'layers.svg').read_text(encoding='utf-8')
    assert picture == draw_layers.draw(draw_layers.layers(), draw_layers.needed(draw_layers.imports())), (
        'Draw it again: python tools/draw_layers.py docs/images/layers.svg')


def test_imports_are_found(draw_layers):
    found = draw_layers.imports()
    assert 'apis' in found['cli'] and 'apis' in found['serve']
    assert found['registry'] == set()
    assert 'codecs' in found['models'] and 'registry' in found['codecs']


def test_what_others_imply_is_not_drawn(draw_layers):
    graph = dict(a={'b', 'c'}, b={'c'}, c=set())
    assert draw_layers.needed(graph) == dict(a={'b'}, b={'c'}, c=set())
