"""What the stack says although nothing is wrong: at level DEBUG of this package's log instead of on the screen."""
import io
import logging
import re
import sys
import warnings
from contextlib import contextmanager, redirect_stdout
from typing import Iterator

logger = logging.getLogger('rsn_mm.apis')
# Beginnings of warnings: MMPose finds its own files by another path, RTMDet calls PyTorch as it was; and of lines of MMEngine.
HARMLESS_WARNINGS = ('The metainfo config file', r'`?torch\.cuda\.amp\.autocast', 'torch.meshgrid',
                     'checkpoint is None, use COCO classes')
HARMLESS_LINES = ('Loads checkpoint by', )


def mute_warnings() -> None:
    """Leave out harmless warnings from now on, where warnings are filtered at the time. With the log at DEBUG, none."""
    if logger.isEnabledFor(logging.DEBUG):
        return
    for beginning in HARMLESS_WARNINGS:
        warnings.filterwarnings('ignore', message=beginning)


@contextmanager
def quiet_loading(*also_harmless: str) -> Iterator[None]:
    """Load a model without harmless lines and warnings; others come out as they are. With the log at DEBUG, all of them.

    Args:
        also_harmless (str): Beginnings of warnings that are harmless for this model, as regular expressions.
    """
    if logger.isEnabledFor(logging.DEBUG):
        yield
        return
    said = io.StringIO()
    try:
        # Not muted by filters: MMDetection puts one of its own before them.
        with warnings.catch_warnings(record=True) as warned, redirect_stdout(said):
            yield
    finally:
        for one in warned:
            if not any(re.match(beginning, str(one.message)) for beginning in (*HARMLESS_WARNINGS, *also_harmless)):
                warnings.showwarning(one.message, one.category, one.filename, one.lineno)
        for line in said.getvalue().splitlines():
            if not line.lower().startswith(tuple(beginning.lower() for beginning in HARMLESS_LINES)):
                print(line, file=sys.stdout)
