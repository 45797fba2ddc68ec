"""The notebook in docs runs from its first cell to its last in an empty folder, without a network, and prints what it kept."""
import copy
import warnings
from pathlib import Path
from typing import Any, List

import pytest

nbformat = pytest.importorskip('nbformat')
nbclient = pytest.importorskip('nbclient')
pytest.importorskip('ipykernel')

NOTEBOOK = Path(__file__).parents[1] / 'docs' / 'quickstart.ipynb'
# A training of fewer pictures, which says the same.
SHORTER = (('num_train=48, num_val=8', 'num_train=8, num_val=4'), ('batch_size=16', 'batch_size=4'))


def printed(notebook: Any) -> List[str]:
    return [output.text for cell in notebook.cells for output in cell.get('outputs', [])
            if output.output_type == 'stream' and output.name == 'stdout']


def test_it_runs_and_prints_what_it_kept(tmp_path: Path) -> None:
    kept = nbformat.read(NOTEBOOK, as_version=4)
    again = copy.deepcopy(kept)
    for long, short in SHORTER:
        assert sum(cell.source.count(long) for cell in again.cells) > 0
        for cell in again.cells:
            cell.source = cell.source.replace(long, short)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        nbclient.NotebookClient(again, timeout=300, kernel_name='python3',
                                resources=dict(metadata=dict(path=str(tmp_path)))).execute()
    assert printed(again) == printed(kept) != []
    for notebook in (kept, again):  # the photo with the pose, and no warnings
        kinds = [output.output_type if output.output_type != 'stream' else output.name
                 for cell in notebook.cells for output in cell.get('outputs', [])]
        assert kinds.count('display_data') == 1 and set(kinds) == {'display_data', 'stdout'}
    assert (tmp_path / 'poses' / 'predictions.json').is_file() and list((tmp_path / 'training').glob('epoch_*.pth'))
