"""Photos that cannot be read: in training their persons are replaced, counted and named, in testing never passed over."""
import json
import logging
from pathlib import Path
from typing import Any, Callable, List, Sequence

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpose.datasets.transforms import PackPoseInputs
from torch._utils import ExceptionWrapper
from torch.utils.data import DataLoader

from rsn_mm.datasets import BatchWithGaps, CocoDataset, skip_unreadable, stack_inputs
from rsn_mm.transforms import LoadImage, UnreadableImageError

PHOTOS, PERSONS = 10, 20


@pytest.fixture
def make_data(tmp_path: Path) -> Callable[..., CocoDataset]:
    """20 persons, two in each of 10 photos; the photos named ``broken`` are cut short."""

    def make(broken: Sequence[int] = (), **kwargs: Any) -> CocoDataset:
        images = [dict(id=i, file_name=f'{i}.jpg', width=16, height=12) for i in range(PHOTOS)]
        persons = [dict(id=i, image_id=i // 2, category_id=1, bbox=[1, 1, 8, 8], keypoints=[5, 5, 2] * 17, num_keypoints=17,
                        area=64, iscrowd=0) for i in range(PERSONS)]
        content = dict(images=images, annotations=persons, categories=[dict(id=1, name='person')])
        (tmp_path / 'a.json').write_text(json.dumps(content))
        generator = np.random.default_rng(0)
        for i in range(PHOTOS):
            data = cv2.imencode('.jpg', generator.integers(0, 256, (12, 16, 3), np.uint8))[1].tobytes()
            (tmp_path / f'{i}.jpg').write_bytes(data[:-20] if i in broken else data)
        return CocoDataset(ann_file=str(tmp_path / 'a.json'), data_prefix=dict(img=str(tmp_path)),
                           pipeline=[LoadImage(), PackPoseInputs()], **kwargs)

    return make


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """What this process logs as errors."""
    lines: List[str] = []

    def print_log(message: str, logger: Any = None, level: int = logging.INFO) -> None:
        assert (logger, level) == ('current', logging.ERROR)
        lines.append(message)

    monkeypatch.setattr('rsn_mm.datasets.unreadable.print_log', print_log)
    return lines


def ids(batches: Any) -> List[int]:
    return [sample.id for batch in batches for sample in batch['data_samples']]


class TestTraining:

    @pytest.mark.parametrize('num_workers', [0, 2])
    def test_others_take_their_place(self, make_data: Callable, num_workers: int) -> None:
        data = make_data(broken=[2, 7], max_unreadable=.2)
        loader = DataLoader(data, 2, num_workers=num_workers, collate_fn=stack_inputs)
        for _ in range(2):
            seen = ids(loader)
            assert len(seen) == PERSONS and not {4, 5, 14, 15} & set(seen)
            assert [i for i in seen if i in (0, 1, 2, 3)][:4] == [0, 1, 2, 3]
            assert data.unreadable.indices == [4, 5, 14, 15]  # of all workers

    def test_each_file_is_logged_once_with_the_count(self, make_data: Callable, logged: List[str]) -> None:
        data = make_data(broken=[2, 7], max_unreadable=.2)
        for _ in range(2):
            assert all(data[i] is not None for i in range(PERSONS))
        assert len(logged) == 2
        assert 'CocoDataset leaves out 2 of its 20 samples, 2 so far; 4 are allowed (max_unreadable=0.2)' in logged[0]
        assert '2.jpg' in logged[0] and 'cut short' in logged[0]
        assert '7.jpg' in logged[1] and '4 so far' in logged[1]

    @pytest.mark.parametrize('num_workers', [0, 2])
    def test_too_many_stop_it(self, make_data: Callable, num_workers: int) -> None:
        """The last of them in this process: a loader takes 10 s to stop workers that have raised."""
        data = make_data(broken=[2, 7], max_unreadable=.15)
        first_photos = torch.utils.data.Subset(data, [0, 1, 2, 3, 4])
        data._rand_another = lambda: 0
        list(DataLoader(first_photos, 2, num_workers=num_workers, collate_fn=stack_inputs))
        with pytest.raises(OSError, match=r'4 of the 20 samples of CocoDataset cannot be read, more than max_unreadable=0.15 '
                           r'allows \(3\): \S*2.jpg, \S*7.jpg. .*tools/check_dataset.py') as raised:
            data[15]
        with pytest.raises(OSError, match='4 of the 20 samples'):  # as a loader raises it again
            ExceptionWrapper((raised.type, raised.value, raised.tb)).reraise()

    def test_none_is_allowed_in_a_small_set_by_default(self, make_data: Callable) -> None:
        with pytest.raises(OSError, match=r'2 of the 20 .*max_unreadable=0.01 allows \(0\)'):
            make_data(broken=[2])[4]

    def test_a_resumed_run_comes_to_the_same_count(self, make_data: Callable) -> None:
        counts = []
        for _ in range(2):
            data = make_data(broken=[2], max_unreadable=.1)
            list(map(data.__getitem__, [5, 4, 5]))
            counts.append(data.unreadable.indices)
        assert counts == [[4, 5]] * 2

    def test_lazy(self, make_data: Callable) -> None:
        data = make_data(broken=[2], max_unreadable=.1, lazy_init=True)
        data.full_init()
        assert data[4]['data_samples'].id not in (4, 5)

    @pytest.mark.parametrize('value', [-.1, 1.1, float('nan')])
    def test_share(self, make_data: Callable, value: float) -> None:
        with pytest.raises(ValueError, match='max_unreadable='):
            make_data(max_unreadable=value)

    def test_other_errors_stay(self, make_data: Callable) -> None:
        data = make_data(max_unreadable=1)
        data.pipeline.transforms[0] = lambda results: results['none']
        with pytest.raises(KeyError):
            data[0]


class TestTesting:

    def test_raises(self, make_data: Callable) -> None:
        data = make_data(broken=[2], test_mode=True, max_unreadable=1)
        with pytest.raises(UnreadableImageError, match='2.jpg'):
            data[4]

    @pytest.mark.parametrize('collate', [stack_inputs, pseudo_collate])
    @pytest.mark.parametrize('num_workers', [0, 2])
    def test_leaves_out(self, make_data: Callable, num_workers: int, collate: Callable, tmp_path: Path) -> None:
        data = make_data(broken=[2, 7, 8], test_mode=True)
        loader = DataLoader(data, 3, num_workers=num_workers, collate_fn=collate)
        skip_unreadable(loader)
        skip_unreadable(loader)
        batches = list(loader)
        gaps = [batch for batch in batches if isinstance(batch, BatchWithGaps)]
        assert len(batches) == 7 and [len(gap.unreadable) for gap in gaps] == [2, 1, 3]
        assert gaps[2].batch is None and gaps[0].unreadable[0].path == str(tmp_path / '2.jpg')
        whole = [batch.batch if isinstance(batch, BatchWithGaps) else batch for batch in batches]
        assert ids(batch for batch in whole if batch) == [i for i in range(PERSONS) if i // 2 not in (2, 7, 8)]
        assert len(gaps[0].batch['inputs']) == 1

    def test_other_data_sets_are_left_alone(self) -> None:
        loader = DataLoader(torch.utils.data.TensorDataset(torch.zeros(3)))
        collate = loader.collate_fn
        skip_unreadable(loader)
        assert loader.collate_fn is collate
