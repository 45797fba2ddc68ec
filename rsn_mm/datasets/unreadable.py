"""Samples whose photo cannot be read: a few are left out, counted and named; nothing is left out silently."""
import logging
from typing import Any, Callable, List, NamedTuple, Optional, Sequence

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import DataLoader

from ..shared import SharedArray

NAMED = 10


class Unreadable(NamedTuple):
    """What a data set in test mode gives in place of the sample at ``position``; see :func:`skip_unreadable`."""
    path: str
    reason: str
    position: int


class BatchWithGaps(NamedTuple):
    """A batch of what could be read, None if that is nothing; what could not, and its places among the ``size`` samples."""
    batch: Optional[Any]
    unreadable: List[Unreadable]
    places: List[int]
    size: int


class LeaveOutUnreadable:
    """A collate function that lets another one see readable samples alone.

    Args:
        collate (Callable): Makes a batch of a list of samples.
    """

    def __init__(self, collate: Callable[[List[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: Sequence[Any]) -> Any:
        """The batch, or a :class:`BatchWithGaps` if one of the samples is an :class:`Unreadable`."""
        readable = [sample for sample in samples if not isinstance(sample, Unreadable)]
        if len(readable) == len(samples):
            return self.collate(readable)
        places = [place for place, sample in enumerate(samples) if isinstance(sample, Unreadable)]
        return BatchWithGaps(self.collate(readable) if readable else None, [samples[place] for place in places], places,
                             len(samples))


def skip_unreadable(loader: DataLoader) -> None:
    """Let a loader of test data go on where a photo cannot be read, with batches of type :class:`BatchWithGaps`.

    Data sets other than ours, and those that wrap ours, still raise. Call it before the loader is first iterated.
    """
    if hasattr(loader.dataset, 'skip_unreadable') and not isinstance(loader.collate_fn, LeaveOutUnreadable):
        loader.dataset.skip_unreadable = True
        loader.collate_fn = LeaveOutUnreadable(loader.collate_fn)


class UnreadableCount:
    """Counts the samples of a training set that could not be read, over all worker processes of a loader.

    A mark for each sample lies in memory that the workers share. A sample counts once, in whichever epoch it comes, so that
    a resumed run, which begins with no marks, comes to the same count. Processes of distributed training count apart.

    Args:
        num_samples (int): Samples of the data set.
        max_share (float): Share of them that may be unreadable.
        name (str): Of the data set, for messages.
    """

    def __init__(self, num_samples: int, max_share: float, name: str) -> None:
        self.allowed = int(max_share * num_samples)
        self.max_share = max_share
        self.name = name
        self._marks = SharedArray(num_samples, np.uint8)

    @property
    def indices(self) -> List[int]:
        """Of the samples that could not be read so far."""
        return self._marks.array.nonzero()[0].tolist()

    def add(self, indices: Sequence[int], path_of: Callable[[int], str], error: OSError) -> None:
        """Count samples, all of one photo, and log them the first time.

        Args:
            indices (Sequence[int]): Positions in the data set.
            path_of (Callable[[int], str]): Photo of a sample.
            error (OSError): Why it cannot be read.

        Raises:
            OSError: if more than the allowed share of all samples have been unreadable, with their files.
        """
        marks = self._marks.array
        if not marks[list(indices)].all():
            marks[list(indices)] = 1
            # An error, as processes other than the first show nothing less.
            print_log(f'{self.name} leaves out {len(indices)} of its {len(marks)} samples, {len(self.indices)} so far; '
                      f'{self.allowed} are allowed (max_unreadable={self.max_share}). {error}', 'current', logging.ERROR)
        unreadable = self.indices
        if len(unreadable) > self.allowed:
            paths = list(dict.fromkeys(map(path_of, unreadable)))
            raise OSError(
                f'{len(unreadable)} of the {len(marks)} samples of {self.name} cannot be read, more than '
                f'max_unreadable={self.max_share} allows ({self.allowed}): {name_some(paths)}. Restore these files; '
                '`python tools/check_dataset.py CONFIG` lists all that are broken. To train without them, raise '
                f'train_dataloader.dataset.max_unreadable. The last one: {error}') from error


def name_some(names: Sequence[Any], most: int = NAMED) -> str:
    """The first names of a list, and how many more there are."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(map(str, names[:most])) + more
