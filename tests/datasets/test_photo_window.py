"""PhotoWindowSampler: everybody once an epoch, photos within one window of one worker, and the order of a seed and an epoch."""
from itertools import islice
from typing import List

import numpy as np
import pytest
from mmengine.dataset import BaseDataset, ConcatDataset, DefaultSampler, RepeatDataset
from mmengine.registry import DATA_SAMPLERS
from mmpose.datasets import CombinedDataset
from torch.utils.data import BatchSampler, DataLoader, Dataset, Subset, get_worker_info

from rsn_mm.datasets import CocoDataset, PhotoWindowSampler
from rsn_mm.datasets.photo_window import _photo_numbers
from rsn_mm.transforms import LoadImage

BATCH = 8


class Persons(BaseDataset):
    """Photo p holds 1 + p % 5 persons; neighbours in the list are not of one photo."""

    def __init__(self, num_photos: int = 100) -> None:
        self.photos = np.random.default_rng(0).permutation(np.repeat(np.arange(num_photos), 1 + np.arange(num_photos) % 5))
        super().__init__()

    def load_data_list(self) -> List[dict]:
        return [dict(img_path=f'{photo}.jpg') for photo in self.photos.tolist()]


class WorkerIds(Dataset):
    """The worker that made the sample."""

    def __getitem__(self, index: int) -> int:
        return get_worker_info().id


@pytest.fixture(scope='module')
def persons() -> Persons:
    return Persons()


@pytest.fixture
def ranks(monkeypatch):
    """Samplers of all processes of a run."""

    def make(world_size: int, *args, **kwargs) -> List[PhotoWindowSampler]:
        samplers = []
        for rank in range(world_size):
            monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, world_size))
            samplers.append(PhotoWindowSampler(*args, **kwargs))
        return samplers

    return make


class TestEverybodyOnce:

    @pytest.mark.parametrize('world_size', [1, 2, 3])
    @pytest.mark.parametrize('num_workers', [0, 1, 3])
    @pytest.mark.parametrize('window_batches', [1, 2, 50])
    def test_without_rounding_up(self, ranks, persons, world_size, num_workers, window_batches):
        samplers = ranks(world_size, persons, BATCH, num_workers, window_batches, seed=0, round_up=False)
        drawn = [list(sampler) for sampler in samplers]
        assert [len(sampler) for sampler in samplers] == list(map(len, drawn))
        assert sorted(sum(drawn, [])) == list(range(len(persons)))

    @pytest.mark.parametrize('world_size', [2, 7])
    def test_rounded_up(self, ranks, persons, world_size):
        samplers = ranks(world_size, persons, BATCH, 2, seed=0)
        drawn = [list(sampler) for sampler in samplers]
        assert len({len(one) for one in drawn}) == 1 and len(drawn[0]) == len(samplers[0])
        assert set(sum(drawn, [])) == set(range(len(persons)))
        assert sum(map(len, drawn)) - len(persons) < world_size

    @pytest.mark.parametrize('num_photos, world_size', [(0, 1), (1, 1), (1, 2), (2, 5)])
    def test_few(self, ranks, num_photos, world_size):
        data = Persons(num_photos) if num_photos else Persons(1).get_subset([])
        drawn = sum((list(s) for s in ranks(world_size, data, BATCH, 2, seed=0, round_up=False)), [])
        assert sorted(drawn) == list(range(len(data)))


class TestWindows:

    @pytest.mark.parametrize('num_workers', [1, 3])
    def test_a_photo_comes_to_one_worker_within_a_window(self, persons, num_workers):
        """All but the photos that a border of a window divides."""
        window = 4
        sampler = PhotoWindowSampler(persons, BATCH, num_workers, window, seed=0)
        places = {}
        for index, batch in enumerate(BatchSampler(sampler, BATCH, drop_last=False)):
            worker, turn = index % num_workers, index // num_workers
            for person in batch:
                places.setdefault(persons.photos[person], set()).add((worker, turn // window))
        divided = sum(len(place) > 1 for place in places.values())
        assert divided < len(persons) / (window * BATCH)  # one border a window, fewer than that can divide

    def test_persons_of_a_photo_are_spread(self, persons):
        """The pairs of one photo that share a batch: 1 in window_batches; one photo after another would give half of them."""
        sampler = PhotoWindowSampler(persons, BATCH, 1, 8, seed=0)
        together = total = 0
        for epoch in range(20):
            sampler.set_epoch(epoch)
            batch_of = np.empty(len(persons), int)
            batch_of[list(sampler)] = np.arange(len(persons)) // BATCH
            same_photo = np.triu(persons.photos[:, None] == persons.photos, 1)
            together += (same_photo & (batch_of[:, None] == batch_of)).sum()
            total += same_photo.sum()
        assert .09 < together / total < .16

    def test_the_loader_hands_batches_to_workers_in_turns(self, persons):
        """What the windows rely on."""
        loader = DataLoader(WorkerIds(), BATCH, sampler=range(7 * BATCH), num_workers=2, collate_fn=set)
        assert list(loader) == [{0}, {1}] * 3 + [{0}]


class TestOrder:

    def test_depends_on_seed_and_epoch_alone(self, persons):
        def order(seed, epoch):
            sampler = PhotoWindowSampler(persons, BATCH, 2, seed=seed)
            sampler.set_epoch(epoch)
            return list(sampler)

        assert order(0, 3) == order(0, 3)
        assert order(0, 3) != order(0, 4) and order(0, 3) != order(1, 3)

    def test_resumed_within_an_epoch(self, persons):
        sampler = PhotoWindowSampler(persons, BATCH, 2, seed=0)
        assert list(islice(sampler, 100, None)) == list(sampler)[100:]

    def test_everybody_comes_anywhere(self, persons):
        """Mean place of each person over many epochs: no one is early or late."""
        sampler = PhotoWindowSampler(persons, BATCH, 2, seed=0)
        places = np.empty((200, len(persons)))
        for epoch in range(200):
            sampler.set_epoch(epoch)
            places[epoch, list(sampler)] = np.linspace(0, 1, len(persons))
        assert np.abs(places.mean(0) - .5).max() < 4.5 * np.sqrt(1 / 12 / 200)

    def test_agrees_on_a_seed_by_itself(self, persons):
        assert isinstance(PhotoWindowSampler(persons, BATCH, 2).seed, int)


class TestArguments:

    @pytest.mark.parametrize('change', [dict(batch_size=0), dict(num_workers=-1), dict(window_batches=0), dict(batch_size=1.5)])
    def test_out_of_range(self, persons, change):
        with pytest.raises(ValueError, match=rf'{next(iter(change))}=.* must be an integer of at least [01]'):
            PhotoWindowSampler(persons, **{**dict(batch_size=8, num_workers=2), **change})

    def test_dataset_without_photos(self):
        with pytest.raises(TypeError, match=r"cannot ask range for the photo .*type='DefaultSampler', shuffle=True"):
            PhotoWindowSampler(range(10), 8, 2)

    def test_built_from_a_config(self, persons, scope):
        scope('rsn_mm')
        sampler = DATA_SAMPLERS.build(
            dict(type='rsn_mm.PhotoWindowSampler', batch_size=8, num_workers=2), default_args=dict(dataset=persons, seed=3))
        assert type(sampler) is PhotoWindowSampler and isinstance(sampler, DefaultSampler)
        assert (sampler.batch_size, sampler.num_workers, sampler.window_batches, sampler.seed) == (8, 2, 12, 3)


class TestWrappers:
    """Data sets that join, repeat or choose from others are asked for theirs, and nothing is loaded."""

    @pytest.fixture
    def part(self, tmp_path, coco_file):
        return lambda people=3: CocoDataset(ann_file=coco_file(tmp_path / 'a.json', num_people=people), pipeline=[LoadImage()])

    def test_combined(self, tmp_path, coco_file, scope):
        scope('rsn_mm')
        cfg = dict(type='rsn_mm.CocoDataset', ann_file=coco_file(tmp_path / 'a.json'), pipeline=[dict(type='LoadImage')])
        for ratios, lengths in ((None, [2, 2]), ([.5, 2.], [1, 4])):
            data = CombinedDataset(dict(from_file='configs/_base_/datasets/coco.py'), [cfg, cfg], sample_ratio_factor=ratios)
            assert _photo_numbers(data).tolist() == [0] * lengths[0] + [1] * lengths[1]
            assert sorted(PhotoWindowSampler(data, 2)) == list(range(sum(lengths)))

    def test_joined_repeated_chosen(self, part):
        assert _photo_numbers(ConcatDataset([part(3), part(2)])).tolist() == [0, 0, 0, 1, 1]
        assert _photo_numbers(RepeatDataset(part(3), 2)).tolist() == [0] * 6

        assert _photo_numbers(Subset(ConcatDataset([part(1), part(2)]), [2, 0])).tolist() == [1, 0]

    def test_unknown_wrapper(self, part):
        class Half:
            dataset = part(4)

            def __len__(self):
                return 3

        with pytest.raises(TypeError, match="photos of Half: it has 3 persons, the data sets in it have 4.*DefaultSampler"):
            PhotoWindowSampler(Half())
