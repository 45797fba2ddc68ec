"""The notebook in docs runs from its first cell to its last in an empty folder, without a network, and keeps its outputs."""
import copy
import warnings
from pathlib import Path

import pytest

nbformat = pytest.importorskip('nbformat')
nbclient = pytest.importorskip('nbclient')
pytest.importorskip('ipykernel')

NOTEBOOK = Path(__file__).parents[1] / 'docs' / 'quickstart.ipynb'


def printed(notebook) -> list:
    return [output.text for cell in notebook.cells for output in cell.get('outputs', [])
            if output.output_type == 'stream' and output.name == 'stdout']


def test_it_runs_and_says_what_it_said(tmp_path: Path) -> None:
    kept = nbformat.read(NOTEBOOK, as_version=4)
    again = copy.deepcopy(kept)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        nbclient.NotebookClient(again, timeout=300, kernel_name='python3',
                                resources=dict(metadata=dict(path=str(tmp_path)))).execute()
    assert printed(again) == printed(kept) != []
    assert [output for cell in kept.cells for output in cell.get('outputs', []) if 'image/png' in output.get('data', {})]
    assert (tmp_path / 'poses' / 'predictions.json').is_file() and list((tmp_path / 'training').glob('epoch_*.pth'))
