"""Results as they come, and what was left out."""
import logging
from pathlib import Path
from types import TracebackType
from typing import Iterator, List, Optional, Type, Union

from tqdm import tqdm

from .results import PoseResult, Skipped

logger = logging.getLogger('rsn_mm.apis')


class PoseStream(Iterator[PoseResult]):
    """Iterator over results, in the order of the inputs.

    Attributes:
        skipped (list[Skipped]): Inputs, or parts of one, that gave no result, so far.
        num_frames, num_poses, num_skipped_boxes (int): What has come so far.
    """

    def __init__(self, results: Iterator[PoseResult], skipped: List[Skipped], total: Optional[int], progress: bool,
                 out: Union[str, Path, None] = None) -> None:
        self.skipped = skipped
        self.num_frames = 0
        self.num_poses = 0
        self.num_skipped_boxes = 0
        self._results = results
        self._bar = tqdm(total=total, unit=' frames', disable=not progress)
        self._closed = False
        self._ended = False
        self._failed = False
        self._out = out

    def __next__(self) -> PoseResult:
        try:
            result = next(self._results)
        except BaseException as error:
            self._ended = isinstance(error, StopIteration) and not self._closed
            self._failed = not isinstance(error, StopIteration)
            self.close()
            raise
        self.num_frames += 1
        self.num_poses += len(result)
        self.num_skipped_boxes += result.skipped_boxes
        self._bar.update()
        return result

    def close(self) -> None:
        """Stop the threads, make files whole with what is done, and say what was skipped."""
        if self._closed:
            return
        self._closed = True
        try:
            self._results.close()  # type: ignore[attr-defined]  # a generator
        finally:
            self._bar.close()
            self._report()

    def __enter__(self) -> 'PoseStream':
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception as error:  # nobody is there to catch it
            logger.error('Closing a stream of poses failed: %s', error)

    def _report(self) -> None:
        if self._out is not None and not self._ended:
            if self.num_frames:
                logger.warning('%s holds a part: the stream of poses was left after %d frames. Iterate over all of it.',
                               self._out, self.num_frames)
            elif not self._failed:  # of an error nobody needs to be told twice
                logger.warning('Nothing is written to %s: the stream of poses was never read. Iterate over it.', self._out)
        for source, reason in self.skipped:
            logger.warning('Skipped %s: %s', source, reason if reason.endswith(('.', '?')) else f'{reason}.')
        if self.num_skipped_boxes:
            logger.warning('Skipped %d boxes: without an area, outside the picture, or not finite.', self.num_skipped_boxes)
