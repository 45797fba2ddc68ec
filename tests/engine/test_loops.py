"""Validation and test go on where photos cannot be read, with the same results for all others."""
from pathlib import Path
from typing import Any, Callable, Dict, List

import mmengine.runner
import pytest
import torch
from mmengine.evaluator import BaseMetric
from torch.utils.data import DataLoader, Dataset

from rsn_mm.datasets.unreadable import Unreadable
from rsn_mm.engine import TestLoop, ValLoop, loops

from .conftest import _collate


class Persons(Dataset):
    """Person i; those in ``broken`` cannot be read."""
    skip_unreadable = False

    def __init__(self, samples: List[Any], broken: List[int]) -> None:
        self.samples, self.broken = samples, broken

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        if index in self.broken:
            return Unreadable(f'{index // 2}.jpg', f'why {index}', index)
        image = torch.full((3, 64, 64), index, dtype=torch.uint8)
        sample = self.samples[index].clone()
        sample.set_metainfo(dict(img_id=index))
        return dict(inputs=image, data_samples=sample)


class Scores(BaseMetric):
    """Keeps each person's joint scores."""

    def process(self, data_batch: Any, data_samples: List[dict]) -> None:
        self.results += [(sample['img_id'], sample['pred_instances']['keypoint_scores']) for sample in data_samples]

    def compute_metrics(self, results: list) -> Dict[str, Any]:
        return {str(index): scores.tolist() for index, scores in results}


@pytest.fixture
def run(make_runner: Callable, make_samples: Callable, codec_cfg: Callable) -> Callable[..., Dict[str, Any]]:

    def make(kind: str, broken: List[int], name: str) -> Dict[str, Any]:
        samples = make_samples(codec_cfg(), batch_size=7, num_keypoints=5)
        loader = DataLoader(Persons(samples, broken), 2, collate_fn=_collate)
        parts = {f'{kind}_dataloader': loader, f'{kind}_evaluator': [Scores()], f'{kind}_cfg': dict(
            type='rsn_mm.ValLoop' if kind == 'val' else 'rsn_mm.TestLoop')}
        runner = make_runner(name, **parts)
        assert isinstance(getattr(runner, f'{kind}_loop'), ValLoop if kind == 'val' else TestLoop)
        return getattr(runner, 'val' if kind == 'val' else 'test')()

    return make


def log_of(folder: Path) -> str:
    return ''.join(path.read_text() for path in folder.rglob('*.log'))


@pytest.mark.parametrize('kind', ['val', 'test'])
def test_others_keep_their_results(run: Callable, kind: str, tmp_path: Path) -> None:
    whole = run(kind, [], 'whole')
    assert list(whole) == [str(i) for i in range(7)] and 'cannot be read' not in log_of(tmp_path / 'whole')
    gaps = run(kind, [1, 2, 3, 6], 'gaps')  # one of a batch, a whole batch, the last batch
    assert gaps == {index: whole[index] for index in '045'}
    log = log_of(tmp_path / 'gaps')
    assert 'without predictions for 4 of 7 persons, as 3 of their photos cannot be read: 0.jpg, 1.jpg, 3.jpg. why 6' in log
    assert 'ERROR' in log


def test_nothing_can_be_read(run: Callable) -> None:
    with pytest.raises(OSError, match='None of the first 7 samples can be read. why 6'):
        run('test', list(range(7)), 'none')


def test_what_other_processes_left_out_counts(run: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Person 1 fills up their share. They alone have read something."""
    theirs = {1: Unreadable('0.jpg', 'why 1', 1), 8: Unreadable('4.jpg', 'why 8', 8)}
    monkeypatch.setattr(loops, 'all_gather_object', lambda mine: [mine, (theirs, 1)])
    assert run('test', list(range(7)), 'spread') == {}
    assert 'for 8 of 7 persons, as 5 of their photos cannot be read: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg. why 8' in log_of(
        tmp_path / 'spread')


def test_hopeless(run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, 'HOPELESS', 4)
    with pytest.raises(OSError, match='None of the first 4 samples can be read. why 3'):
        run('test', list(range(6)), 'hopeless')


def test_only_our_loops_ask_a_data_set_to_go_on(make_runner: Callable) -> None:
    runner = make_runner()
    for kind, asks in ((mmengine.runner.ValLoop, False), (ValLoop, True)):
        loader = DataLoader(Persons([0], []))
        kind(runner, loader, [Scores()])
        assert loader.dataset.skip_unreadable is asks
