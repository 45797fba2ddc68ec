"""Validation and test that go on where a photo cannot be read, and say so."""
from typing import TYPE_CHECKING, Any, Dict, List, Sequence

from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.runner import TestLoop as MMEngineTestLoop
from mmengine.runner import ValLoop as MMEngineValLoop

from ..datasets import BatchWithGaps, skip_unreadable
from ..datasets.unreadable import Unreadable, name_some
from ..registry import LOOPS

if TYPE_CHECKING:  # what the mixin stands in front of
    from mmengine.runner import TestLoop as _Loop
else:
    _Loop = object

# If so many samples have been unreadable and none readable, folders are wrong rather than files.
HOPELESS = 100


class _LeavesOutUnreadable(_Loop):
    """Mixin in front of one of MMEngine's loops over test data. It has the loop's arguments.

    Persons whose photo cannot be read get no prediction; those of other photos do. The end of the loop logs how many were
    left out in all processes together, and their files. COCO's metrics count such persons as missed, PCK averages over the
    others. Data sets other than ours raise at the first unreadable photo.

    Raises:
        OSError: if nothing can be read.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        skip_unreadable(self.dataloader)

    def run(self) -> Dict[str, float]:
        # By position in the data set: a person that fills up a process's share counts once.
        self._left_out: Dict[int, Unreadable] = {}
        self._num_read = 0
        evaluate = self.evaluator.evaluate

        def evaluate_readable(size: int) -> Dict[str, float]:
            self._gather()
            return evaluate(size - len(self._left_out))

        self.evaluator.evaluate = evaluate_readable
        try:
            metrics = super().run()
        finally:
            del self.evaluator.evaluate  # the class's own is left
        self._report()
        return metrics

    def run_iter(self, idx: int, data_batch: Any) -> None:
        if not isinstance(data_batch, BatchWithGaps):
            self._num_read += 1
            super().run_iter(idx, data_batch)
            return
        self._left_out.update((sample.position, sample) for sample in data_batch.unreadable)
        results = [metric.results for metric in self.evaluator.metrics]
        starts = [len(part) for part in results]
        if data_batch.batch is not None:
            self._num_read += 1
            super().run_iter(idx, data_batch.batch)
        elif not self._num_read and len(self._left_out) >= HOPELESS:
            self._give_up()
        if get_world_size() > 1:
            for part, start in zip(results, starts):
                _hold_places(part, start, data_batch)

    def _gather(self) -> None:
        """What all processes left out, in the order of the data set."""
        parts = all_gather_object((self._left_out, self._num_read))
        self._left_out = dict(sorted(item for left_out, _ in parts for item in left_out.items()))
        if self._left_out and not any(num_read for _, num_read in parts):
            self._give_up()

    def _give_up(self) -> None:
        *_, last = self._left_out.values()
        raise OSError(f'None of the first {len(self._left_out)} samples can be read. {last.reason}')

    def _report(self) -> None:
        if self._left_out and is_main_process():
            *_, last = self._left_out.values()
            files = list(dict.fromkeys(sample.path for sample in self._left_out.values()))
            self.runner.logger.error(
                f'The metrics above are without predictions for {len(self._left_out)} of {len(self.dataloader.dataset)} '
                f'persons, as {len(files)} of their photos cannot be read: {name_some(files)}. {last.reason}')


def _hold_places(results: List[Any], start: int, batch: BatchWithGaps) -> None:
    """Put None where results of a batch are missing, from ``start`` on.

    MMEngine puts the results of all processes in the order of the data set by counting them, and then drops None.
    """
    places: Sequence[int] = batch.places if len(results) - start + len(batch.places) == batch.size else ()
    for place in places:
        results.insert(start + place, None)


@LOOPS.register_module()
class ValLoop(_LeavesOutUnreadable, MMEngineValLoop):
    """MMEngine's ``ValLoop`` that leaves out persons whose photo cannot be read.

    In a config: ``val_cfg = dict(type='rsn_mm.ValLoop')``.
    """


@LOOPS.register_module()
class TestLoop(_LeavesOutUnreadable, MMEngineTestLoop):
    """MMEngine's ``TestLoop`` that leaves out persons whose photo cannot be read.

    In a config: ``test_cfg = dict(type='rsn_mm.TestLoop')``.
    """
    __test__ = False  # pytest takes it for a test
