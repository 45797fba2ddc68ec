"""A random order in which the persons of one photo come near each other, so that one decoding serves them all."""
from functools import partial
from typing import Any, Iterator, List, Optional

import numpy as np
from mmengine.dataset import BaseDataset, DefaultSampler

from ..registry import DATA_SAMPLERS

REMEDY = "Take sampler=dict(type='DefaultSampler', shuffle=True)."


@DATA_SAMPLERS.register_module()
class PhotoWindowSampler(DefaultSampler):
    """Shuffle photos, then persons within windows of photos; each worker process has windows of its own.

    A window holds the persons of ``window_batches`` batches of one worker, which ``LoadImage(cache_mb=...)`` in that worker
    must have room for: 12 batches of 48 persons are some 220 photos of COCO, 200 MiB. As from ``DefaultSampler``, each
    person comes once an epoch, in an order that seed and epoch decide. Different is this: two persons of one photo
    share a batch with probability 1 / ``window_batches``, about, where an unrestricted order makes that rare.

    :class:`EpochSeedHook` sets ``batch_size`` and ``num_workers`` to those of the data loader. Other numbers change nothing
    but the speed: a photo is then decoded more often.

    Args:
        dataset (BaseDataset): Persons; its ``get_data_info(index)['img_path']`` tells photos apart. Data sets that combine,
            join, repeat or wrap others are asked for theirs.
        batch_size (int): Persons of a batch. Defaults to 1.
        num_workers (int): Worker processes of the data loader. Defaults to 0.
        window_batches (int): Batches of one worker that are mixed. Defaults to 12.
        seed (int, optional): As in ``DefaultSampler``: the same in all processes, by default agreed upon at random.
        round_up (bool): As in ``DefaultSampler``: repeat persons until all processes have equally many. Defaults to True.

    Raises:
        ValueError: if a number is out of its range.
        TypeError: if ``dataset`` does not tell the photo of a person.
    """

    def __init__(self,
                 dataset: BaseDataset,
                 batch_size: int = 1,
                 num_workers: int = 0,
                 window_batches: int = 12,
                 seed: Optional[int] = None,
                 round_up: bool = True) -> None:
        for name, value, least in (('batch_size', batch_size, 1), ('num_workers', num_workers, 0),
                                   ('window_batches', window_batches, 1)):
            if not isinstance(value, int) or value < least:
                raise ValueError(f'{name}={value!r} must be an integer of at least {least}.')
        super().__init__(dataset, shuffle=True, seed=seed, round_up=round_up)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.window_batches = window_batches
        self._photos = _photo_numbers(dataset)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        photo_order = generator.permutation(self._photos.max(initial=0) + 1)
        persons = np.argsort(photo_order[self._photos], kind='stable')
        if self.round_up:
            persons = np.resize(persons, self.total_size)
        mine = np.array_split(persons, self.world_size)[self.rank]
        generator = np.random.default_rng((self.seed, self.epoch, self.rank))
        # The loader hands batch i to worker i % workers: a block is a window for each of them.
        block = max(self.num_workers, 1) * self.window_batches * self.batch_size
        for start in range(0, len(mine), block):
            yield from self._mix(mine[start:start + block], generator)

    def _mix(self, block: np.ndarray, generator: np.random.Generator) -> List[int]:
        """Divide a block into consecutive windows, one a worker, shuffle each, and deal their batches in turns."""
        workers = max(self.num_workers, 1)
        num_batches = -(-len(block) // self.batch_size)
        sizes = np.diff(np.minimum(np.arange(num_batches + 1) * self.batch_size, len(block)))
        windows = np.split(block, np.cumsum([sizes[worker::workers].sum() for worker in range(workers)])[:-1])
        batches: List[np.ndarray] = [np.empty(0, int)] * num_batches
        for worker, window in enumerate(windows):
            batches[worker::workers] = np.split(generator.permutation(window), np.cumsum(sizes[worker::workers])[:-1]) \
                if len(window) else []
        return np.concatenate(batches).tolist()


def _photo_numbers(dataset: Any) -> np.ndarray:
    """Number of each person's photo, (N,), also of data sets that join, repeat, choose from or wrap others.

    Our data sets know them. Photos of different parts of a data set count as different.

    Raises:
        TypeError: if that cannot be told.
    """
    parts, inner = (getattr(dataset, name, None) for name in ('datasets', 'dataset'))
    if isinstance(parts, (list, tuple)) and parts:
        inside = [_photo_numbers(part) for part in parts]
        if getattr(dataset, 'resample', False):  # CombinedDataset then draws a person near this place of the part.
            inside = [own[np.arange(length) * len(own) // max(length, 1)] for own, length in zip(inside, dataset.lens)]
        starts = np.cumsum([0, *(own.max(initial=-1) + 1 for own in inside[:-1])])
        return _as_long(dataset, np.concatenate([own + start for own, start in zip(inside, starts)]))
    if inner is not None:
        numbers = _photo_numbers(inner)
        for name in ('repeat_indices', 'indices'):  # MMEngine's ClassBalancedDataset, PyTorch's Subset
            chosen = getattr(dataset, name, None)
            if chosen is not None:
                return _as_long(dataset, numbers[np.asarray(chosen, dtype=int)])
        return _as_long(dataset, np.tile(numbers, max(len(dataset) // max(len(numbers), 1), 1)))
    if getattr(dataset, 'photo_numbers', None) is not None:
        return dataset.photo_numbers
    if not hasattr(dataset, 'get_data_info'):
        raise TypeError(f'PhotoWindowSampler cannot ask {type(dataset).__name__} for the photo of a person: it has no '
                        f'get_data_info. {REMEDY}')
    # BaseDataset's own, if it is one: those of MMPose add copies of lists that are long for whole bodies.
    get = partial(BaseDataset.get_data_info, dataset) if isinstance(dataset, BaseDataset) else dataset.get_data_info
    paths = [get(index)['img_path'] for index in range(len(dataset))]
    return np.unique(paths, return_inverse=True)[1]


def _as_long(dataset: Any, numbers: np.ndarray) -> np.ndarray:
    if len(numbers) != len(dataset):
        raise TypeError(f'PhotoWindowSampler cannot tell the photos of {type(dataset).__name__}: it has {len(dataset)} '
                        f'persons, the data sets in it have {len(numbers)}. {REMEDY}')
    return numbers
