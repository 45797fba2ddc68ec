"""Look through the files of a data set before training, for all their faults at once."""
import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Union

from mmengine.config import Config

from ..files import write_whole
from ..registry import DATASETS
from .faults import WHOLE_BODY, Layout
from .judged_files import judge_detection_file, judge_file
from .kinds import KEPT, KINDS, LEFT_OUT, STOPS, Fault
from .mpii import mpii_as_coco
from .photos import Photo, find_photo_faults

SPLITS = ('train', 'val', 'test')


class Source(NamedTuple):
    """Files of a data set.

    Attributes:
        annotations (str): Annotation file.
        images (str, optional): Folder of the photos, None to leave them unread.
        boxes (str, optional): File of detections, if any.
        is_mpii (bool): Whether the annotations are MPII's.
        layout (Layout): What the data set expects of an annotation. By default what the file's own categories say.
        needs_crowd_index (bool): Whether it is scored with ``iou_type='keypoints_crowd'``.
        is_test (bool): Whether the data set is in test mode; then nobody needs a labelled joint in MPII's.
    """
    annotations: str
    images: Optional[str]
    boxes: Optional[str] = None
    is_mpii: bool = False
    layout: Layout = Layout()
    needs_crowd_index: bool = False
    is_test: bool = False


def sources_of_config(config: Union[str, os.PathLike], split: str = 'train', options: Optional[dict] = None) -> List[Source]:
    """The files that a config's data loader reads, of all data sets that it combines.

    Args:
        config (str | os.PathLike): Config file.
        split (str): 'train', 'val' or 'test'.
        options (dict, optional): What to replace in it, as ``--cfg-options`` does.

    Raises:
        ValueError: if the config has no annotation file for that split.
    """
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(options or {})
    sources = list(_sources((cfg.get(f'{split}_dataloader') or {}).get('dataset')))
    if not sources:
        raise ValueError(f'{config} has no {split}_dataloader with an annotation file. Give another --split of '
                         f'{", ".join(SPLITS)}, or --ann and --images.')
    evaluators = cfg.get(f'{split}_evaluator') or ()
    crowd = any(part.get('iou_type') == 'keypoints_crowd' for part in
                (evaluators if isinstance(evaluators, (list, tuple)) else (evaluators, )))
    return [source._replace(needs_crowd_index=crowd) for source in sources]


def _sources(dataset: Any) -> Iterator[Source]:
    if isinstance(dataset, (list, tuple)):
        for part in dataset:
            yield from _sources(part)
    elif isinstance(dataset, dict) and dataset.get('ann_file'):
        root = dataset.get('data_root') or ''
        images = (dataset.get('data_prefix') or {}).get('img') or ''
        yield Source(os.path.join(root, dataset['ann_file']), os.path.join(root, images), dataset.get('bbox_file'),
                     str(dataset['type']).split('.')[-1] == 'MpiiDataset', _layout(dataset),
                     is_test=bool(dataset.get('test_mode')))
    elif isinstance(dataset, dict):
        yield from _sources(dataset.get('dataset') or dataset.get('datasets'))


def _layout(dataset: Dict[str, Any]) -> Layout:
    """What a data set's class expects of its file; of a class that is not known, what the categories say."""
    kind = dataset['type'] if isinstance(dataset['type'], type) else DATASETS.get(dataset['type'])
    if kind is None or not hasattr(kind, '_load_metainfo'):
        return Layout()
    metainfo = kind._load_metainfo(dataset.get('metainfo'))
    if 'num_keypoints' not in metainfo:
        return Layout()
    if hasattr(kind, 'layout'):
        return kind.layout(metainfo)
    if kind.__name__ == 'CocoWholeBodyDataset':
        return Layout(WHOLE_BODY)
    return Layout((('keypoints', metainfo['num_keypoints']), ))


def check(source: Source, workers: int = 1, progress: bool = True) -> Iterator[Fault]:
    """All faults of a data set, in the order: file, photos' entries, annotations, detections, photos.

    Args:
        source (Source): Its files.
        workers (int): Threads that decode photos.
        progress (bool): Show a bar on stderr.
    """
    layout = source.layout._replace(sized=not source.is_mpii)
    truth = judge_file(source.annotations, layout, mpii_as_coco if source.is_mpii else None, needs_people=not source.boxes,
                       needs_joints=not (source.is_mpii and source.is_test), needs_crowd_index=source.needs_crowd_index)
    yield from truth.faults
    if not truth.content:
        return
    if source.boxes and not truth.stops:
        yield from judge_detection_file(source.boxes, truth, source.annotations).faults
    if source.images is not None:
        photos = [Photo(os.path.join(source.images, image['file_name']), image['id'],
                        (image['width'], image['height']) if 'width' in image else None)
                  for image in truth.content['images']]
        yield from find_photo_faults(dict.fromkeys(photos), workers, progress)


def kinds_as_text() -> str:
    """All kinds of faults, a line each as :func:`as_text` says it, those that stop a training first."""
    order = [STOPS, LEFT_OUT, KEPT]
    return '\n'.join(f'{level}: {kind} ({meaning}; in training: {in_training})'
                     for kind, (level, in_training, meaning) in sorted(KINDS.items(), key=lambda item: order.index(item[1][1])))


def as_text(faults: Sequence[Fault], most: Optional[int] = 10) -> str:
    """Faults by kind, errors first, with counts and the first ``most`` of each (None: all)."""
    lines = []
    for kind, (level, in_training, meaning) in sorted(KINDS.items(), key=lambda item: item[1].level):
        found = [fault for fault in faults if fault.kind == kind]
        if not found:
            continue
        lines.append(f'{level}: {kind}: {len(found)} ({meaning}; in training: {in_training})')
        lines += [f'    {_where(fault)}: {fault.detail}' for fault in found[:most]]
        if most is not None and len(found) > most:
            lines.append(f'    and {len(found) - most} more (--all lists them)')
    return '\n'.join(lines)


def _where(fault: Fault) -> str:
    parts = [('annotation', fault.annotation_id), ('photo', fault.image_id), ('file', fault.file_name)]
    if fault.kind.startswith('detection'):
        parts[0] = ('detection', fault.annotation_id)
    return ', '.join(f'{name} {value}' for name, value in parts if value is not None) or 'unknown'


def write_report(path: Union[str, os.PathLike], faults: Sequence[Fault]) -> None:
    """Write all faults to a JSON file: ``counts`` by kind, and ``faults`` with the fields of :class:`Fault` and ``level``."""
    counts: Dict[str, int] = {}
    for fault in faults:
        counts[fault.kind] = counts.get(fault.kind, 0) + 1
    report = dict(counts=counts, faults=[dict(fault._asdict(), level=KINDS[fault.kind].level) for fault in faults])
    write_whole(Path(path), (json.dumps(report, indent=1) + '\n').encode())
