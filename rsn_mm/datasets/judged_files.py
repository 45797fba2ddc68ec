"""Files of annotations and detections as data sets, metrics and the checker read them: judged, or refused in the same words."""
import gc
import logging
import os
from contextlib import contextmanager
from typing import Any, Callable, Iterable, Iterator, List, Optional, Sequence, Tuple

from mmengine.fileio import get
from mmengine.logging import print_log

from .detections import Detections, judge_detections
from .faults import ANY_LAYOUT, Layout
from .judgement import Judgement, judge
from .kinds import KEPT, KINDS, STOPS, Fault
from .packed import read_packed
from .unreadable import name_some

# Not said when a data set is made: no faults, or too common to be of use.
UNSAID = ('no pose', 'no joint', 'box partly outside', 'area zero')
CHECKER = '`python tools/check_dataset.py CONFIG` lists all'


@contextmanager
def no_collection() -> Iterator[None]:
    """Millions of new lists, none in a cycle, would be gone through again and again: 40 % of the time of reading COCO's."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_file(path: str) -> Tuple[Any, List[Fault]]:
    """Content of a JSON file with packed outlines, on a disk or behind a storage backend, or why there is none."""
    data = get(os.fspath(path))
    try:
        return read_packed(bytes(data)), []
    except ValueError as error:
        return None, [Fault('file', str(error), file_name=path)]


@no_collection()
def judge_file(path: str, layout: Layout = ANY_LAYOUT, adapt: Optional[Callable[[Any], Any]] = None,
               **options: Any) -> Judgement:
    """The judgement of an annotation file.

    Args:
        path (str): The file.
        layout (Layout): What the data set expects of an annotation.
        adapt (Callable, optional): Makes COCO's format of another one; may raise TypeError, saying why it cannot.
        **options: Arguments of :func:`judge`.
    """
    content, faults = read_file(path)
    if faults:
        return Judgement(faults, {})
    try:
        judgement = judge(adapt(content) if adapt else content, layout, **options)
    except TypeError as error:
        if adapt is None:
            raise
        return Judgement([Fault('file', str(error), file_name=path)], {})
    return judgement._replace(faults=[_in_file(fault, path) for fault in judgement.faults])


@no_collection()
def judge_detection_file(path: str, truth: Judgement, annotations: str) -> Detections:
    """The judgement of a file of detections beside that of the annotation file, which is called ``annotations``."""
    content, faults = read_file(path)
    if faults:
        return Detections(faults, [])
    detections = judge_detections(content, truth, repr(annotations))
    return detections._replace(faults=[_in_file(fault, path) for fault in detections.faults])


def _in_file(fault: Fault, path: str) -> Fault:
    """A fault that is about the file as a whole names it."""
    about_all = fault.annotation_id is None and fault.image_id is None or fault.kind.startswith('detection')
    return fault._replace(file_name=path) if about_all and fault.file_name is None else fault


def refuse(faults: Sequence[Fault], path: str, reader: str) -> None:
    """Raise if a file cannot be used.

    Raises:
        ValueError: naming the file, the first entry and what is expected.
    """
    stops = [fault for fault in faults if KINDS[fault.kind].in_training == STOPS]
    if stops:
        more = f' (and {len(stops) - 1} more)' if len(stops) > 1 else ''
        raise ValueError(f'{reader} cannot use {path!r}: {stops[0].detail}{more}. Mend the file; {CHECKER}.')


def say(faults: Iterable[Fault], path: str, reader: str, unsaid: Sequence[str] = UNSAID) -> None:
    """Log what is left out and what is not taken as it stands, a line a kind."""
    by_kind: dict = {}
    for fault in faults:
        by_kind.setdefault(fault.kind, []).append(fault)
    for kind, found in by_kind.items():
        if kind in unsaid or KINDS[kind].in_training == STOPS:
            continue
        verb = 'keeps' if KINDS[kind].in_training == KEPT else 'leaves out'
        noun = _noun(found[0])
        ids = name_some([fault.image_id if noun == 'photos' else fault.annotation_id for fault in found])
        about = f'{verb} {len(found)} {noun} of {path!r}' if noun else f'finds in {path!r}'
        where = f' Ids: {ids}. The first:' if noun else ''
        print_log(f'{reader} {about}: {KINDS[kind].meaning}.{where} {found[0].detail}. {CHECKER}.', 'current', logging.WARNING)


def _noun(fault: Fault) -> str:
    if fault.kind in ('detection', 'detection photo'):
        return 'detections'
    return 'persons' if fault.annotation_id is not None else 'photos' if fault.image_id is not None else ''
