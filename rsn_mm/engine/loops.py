"""Validation and test that go on where a photo cannot be read, and say so."""
from typing import Any, Dict, List

from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.runner import TestLoop as MMEngineTestLoop
from mmengine.runner import ValLoop as MMEngineValLoop

from ..datasets import BatchWithGaps, skip_unreadable
from ..datasets.unreadable import name_some
from ..registry import LOOPS

# If so many samples have been unreadable and none readable, folders are wrong rather than files.
HOPELESS = 100


class _LeavesOutUnreadable:
    """Mixin in front of one of MMEngine's loops over test data. It has the loop's arguments.

    Persons whose photo cannot be read get no prediction; those of other photos do. The end of the loop logs how many were
    left out, and their files. COCO's metrics count such persons as missed, PCK averages over the others. Data sets other
    than ours raise at the first unreadable photo.

    Raises:
        OSError: if nothing can be read.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        skip_unreadable(self.dataloader)

    def run(self) -> Dict[str, float]:
        self._paths: List[str] = []
        self._last_reason = ''
        self._num_read = 0
        metrics = super().run()
        self._report()
        return metrics

    def run_iter(self, idx: int, data_batch: Any) -> None:
        if not isinstance(data_batch, BatchWithGaps):
            self._num_read += 1
            super().run_iter(idx, data_batch)
            return
        self._paths += [sample.path for sample in data_batch.unreadable]
        self._last_reason = data_batch.unreadable[-1].reason
        if data_batch.batch is not None:
            self._num_read += 1
            super().run_iter(idx, data_batch.batch)
        is_over = idx + 1 == len(self.dataloader) and get_world_size() == 1
        if not self._num_read and (is_over or len(self._paths) >= HOPELESS):
            raise OSError(f'None of the first {len(self._paths)} samples can be read. {self._last_reason}')

    def _report(self) -> None:
        paths = sum(all_gather_object(self._paths), [])
        if paths and is_main_process():
            files = list(dict.fromkeys(paths))
            self.runner.logger.error(
                f'The metrics above are without predictions for {len(paths)} of {len(self.dataloader.dataset)} persons, '
                f'as {len(files)} of their photos cannot be read: {name_some(files)}. {self._last_reason}')


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
