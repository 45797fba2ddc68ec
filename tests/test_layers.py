"""The floors of the house: nothing imports upward, and the picture of them is true."""
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import load_script

ROOT = Path(__file__).parents[1]


def test_no_import_runs_upward():
    """import-linter on the contract in pyproject.toml, which names every package and module of rsn_mm.

    In a process of its own: it switches off every logger that is there already.
    """
    check = 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))'
    done = subprocess.run([sys.executable, '-c', check], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout


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
