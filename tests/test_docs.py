"""What README and docs say is true: files exist, numbers are those of the model index, snippets run."""
import doctest
import re
from pathlib import Path
from typing import List, Tuple

import pytest
import yaml
from mmengine.config import Config

import rsn_mm.models.backbones
from rsn_mm.registry import MODELS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', ROOT / 'CHANGELOG.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('**/*.md'))]
README = (ROOT / 'README.md').read_text()
INDEX = {model['Name']: model for model in yaml.safe_load((ROOT / 'configs/metafile.yml').read_text())['Models']}


def snippets(language: str) -> List[str]:
    return re.findall(rf'```{language}\n(.*?)```', README, flags=re.DOTALL)


def config_rows() -> List[Tuple[str, str, str]]:
    return re.findall(r'^\| `(\w+)\.py` \| .* \| ([\d.]+) M \| ([\d.]+) G \|$', README, flags=re.MULTILINE)


def test_docs_are_short() -> None:
    """CONTRIBUTING.md promises it; tables.md is generated."""
    pages = [ROOT / 'README.md', *(page for page in (ROOT / 'docs').glob('*.md') if page.name != 'tables.md')]
    assert sum(len(page.read_text().split()) for page in pages) <= 12000


def test_doctests() -> None:
    assert doctest.testmod(rsn_mm.models.backbones).attempted > 0
    assert doctest.testmod(rsn_mm.models.backbones).failed == 0


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r'\]\((?!https?:)([^)#]+)', page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def anchors(page: Path) -> List[str]:
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r'^#+ (.+)$', re.sub(r'```.*?```', '', page.read_text(), flags=re.DOTALL), flags=re.MULTILINE)
    return [re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_anchors_lead_to_headings(page: Path) -> None:
    targets = re.findall(r'\]\((?!https?:)([^)#]*)#([^)]+)\)', page.read_text())
    assert [(target, anchor) for target, anchor in targets
            if anchor not in anchors(page.parent / target if target else page)] == []


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_configs_that_are_named_exist(page: Path) -> None:
    named = re.findall(r'configs/(\w+\.py)', page.read_text())
    assert [name for name in named if not (ROOT / 'configs' / name).is_file()] == []


def test_the_config_table_shows_the_numbers_of_the_model_index() -> None:
    rows = config_rows()
    assert len(rows) >= 12
    for name, parameters, macs in rows:
        metadata = INDEX[name]['Metadata']
        assert float(parameters) == pytest.approx(metadata['Parameters'] / 1e6, abs=0.0051), name
        assert float(macs) == pytest.approx(metadata['MACs'] / 1e9, abs=0.0051), name


def test_python_snippets_compile() -> None:
    python = snippets('python')
    assert len(python) >= 3
    for snippet in python:
        compile(snippet, 'README.md', 'exec')


def test_the_snippet_of_another_size_loads(tmp_path: Path) -> None:
    (tmp_path / 'own.py').write_text(next(s for s in snippets('python') if 'set_input_size' in s))
    config = Config.fromfile(tmp_path / 'own.py')
    assert config.model.head.decoder.input_size == config.val_pipeline[2].input_size == (256, 320)


def test_the_encoder_snippet_builds(tmp_path: Path) -> None:
    snippet = next(s for s in snippets('python') if 'RSNEncoder' in s)
    (tmp_path / 'own.py').write_text(snippet)
    config = Config.fromfile(tmp_path / 'own.py')
    config.model.backbone.num_blocks = [1, 1, 1, 1]  # the full depth only takes longer
    assert type(MODELS.build(config.model).backbone).__name__ == 'RSNEncoder'
