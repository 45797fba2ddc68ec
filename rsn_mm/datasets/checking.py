"""Look through the files of a data set before training, for all their faults at once."""
import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from mmengine.config import Config

from ..files import write_whole
from .faults import KINDS, Fault, find_detection_faults, find_faults, image_faults, mpii_as_coco
from .photos import Photo, find_photo_faults

SPLITS = ('train', 'val', 'test')


class Source(NamedTuple):
    """Files of a data set. ``images``: folder, None to leave the photos unread. ``boxes``: file of detections, if any."""
    annotations: str
    images: Optional[str]
    boxes: Optional[str] = None
    is_mpii: bool = False


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
    return sources


def _sources(dataset: Any) -> Iterator[Source]:
    if isinstance(dataset, (list, tuple)):
        for part in dataset:
            yield from _sources(part)
    elif isinstance(dataset, dict) and dataset.get('ann_file'):
        root = dataset.get('data_root') or ''
        images = (dataset.get('data_prefix') or {}).get('img') or ''
        yield Source(os.path.join(root, dataset['ann_file']), os.path.join(root, images), dataset.get('bbox_file'),
                     dataset['type'].split('.')[-1] == 'MpiiDataset')
    elif isinstance(dataset, dict):
        yield from _sources(dataset.get('dataset') or dataset.get('datasets'))


def check(source: Source, workers: int = 1, progress: bool = True) -> Iterator[Fault]:
    """All faults of a data set, in the order: file, photos' entries, annotations, detections, photos.

    Args:
        source (Source): Its files.
        workers (int): Threads that decode photos.
        progress (bool): Show a bar on stderr.
    """
    content, faults = _read_json(source.annotations)
    yield from faults
    if faults:
        return
    if source.is_mpii:
        try:
            content = mpii_as_coco(content)
        except TypeError as error:
            yield Fault('file', str(error), file_name=source.annotations)
            return
    for fault in find_faults(content, sized=not source.is_mpii):
        yield fault._replace(file_name=source.annotations) if fault.kind == 'file' else fault
        if fault.kind == 'file':
            return
    images = [image for image in content['images'] if not image_faults(image, sized=not source.is_mpii)]
    if source.boxes:
        detections, faults = _read_json(source.boxes)
        yield from faults or (fault._replace(file_name=source.boxes)
                              for fault in find_detection_faults(detections, [image['id'] for image in images]))
    if source.images is not None:
        photos = [Photo(os.path.join(source.images, image['file_name']), image['id'],
                        (image['width'], image['height']) if 'width' in image else None) for image in images]
        yield from find_photo_faults(dict.fromkeys(photos), workers, progress)


def _read_json(path: str) -> Tuple[Any, List[Fault]]:
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file), []
    except UnicodeDecodeError as error:
        return None, [Fault('file', f'not UTF-8 at byte {error.start}: {error.reason}', file_name=path)]
    except (ValueError, RecursionError) as error:
        return None, [Fault('file', f'no JSON: {error}', file_name=path)]


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
    write_whole(path, (json.dumps(report, indent=1) + '\n').encode())
