"""Writing of a data set of drawn people in COCO's layout: ``OUT/annotations``, ``OUT/train``, ``OUT/val``."""
import json
import multiprocessing
import os
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any, Dict, Generator, Iterator, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rsn_mm.compat.no_workers import no_processes
from rsn_mm.files import given_path, whole_or_not
from rsn_mm.synthetic.scene import OUTSIDE, Person, make_picture
from rsn_mm.synthetic.skeleton import KEYPOINT_NAMES, SKELETON

# Raise this whenever the same arguments give other pictures or annotations, so that older data sets are made anew.
VERSION = 3
SPLITS = ('train', 'val')
# Marks a folder as ours and counts the pictures that are ours, even if the run is interrupted: the annotations, which
# say that a data set is whole, are written last.
MARKER = '.rsn_mm_people.json'
JPEG_QUALITY = 92
NARROWEST = 0.8
SIZE_RANGE = (96, 2048)
MOST_PEOPLE = 8


class PeopleDataset(NamedTuple):
    """Where a data set of drawn people lies.

    Attributes:
        root (Path): its folder.
        train_annotations (Path): COCO person keypoints of the training pictures.
        val_annotations (Path): the same of the validation pictures.
        train_images (Path): folder of the training pictures.
        val_images (Path): folder of the validation pictures.
        reused (bool): the folder already held this very data set, and nothing was written.
    """

    root: Path
    train_annotations: Path
    val_annotations: Path
    train_images: Path
    val_images: Path
    reused: bool


def make_people(out: Path, num_train: int = 400, num_val: int = 100, seed: int = 0, max_people: int = 4,
                size_wh: Tuple[int, int] = (320, 256), workers: int = 1, progress: bool = True,
                overwrite: bool = False) -> PeopleDataset:
    """Make a small data set of drawn people in COCO's format, or reuse it if it is already there.

    The same arguments give the same bytes, whatever the number of workers.

    Args:
        out (Path): folder to write to; made if missing.
        num_train (int): number of training pictures.
        num_val (int): number of validation pictures.
        seed (int): seed of everything random.
        max_people (int): most persons per picture, 1 to 8.
        size_wh (tuple): largest picture (width, height) in pixels, each 96 to 2048. Pictures have this height and 80
            to 100 % of this width.
        workers (int): processes that draw. More than one takes some seconds to start, and a script that asks for it
            needs the usual ``if __name__ == '__main__':``.
        progress (bool): show a bar on stderr where that is a terminal.
        overwrite (bool): write into a folder although it holds other files, which stay.

    Returns:
        PeopleDataset: the paths.

    Raises:
        TypeError, ValueError: if an argument is out of its range.
        FileExistsError: if ``out`` is a file, or a folder with files that this function did not write.
        OSError: if a picture cannot be written.
    """
    out = given_path('out', out)
    for name, value, low in (('num_train', num_train, 1), ('num_val', num_val, 1), ('seed', seed, 0),
                             ('max_people', max_people, 1), ('workers', workers, 1)):
        _check_integer(name, value, low, MOST_PEOPLE if name == 'max_people' else None)
    width, height = _check_size(size_wh)
    counts = {'train': int(num_train), 'val': int(num_val)}
    arguments = dict(version=VERSION, num_train=counts['train'], num_val=counts['val'], seed=int(seed),
                     max_people=int(max_people), size_wh=[width, height])
    train_annotations, val_annotations = (out / 'annotations' / f'person_keypoints_{split}.json' for split in SPLITS)
    train_images, val_images = (out / split for split in SPLITS)
    paths = PeopleDataset(out, train_annotations, val_annotations, train_images, val_images, reused=False)
    if _is_whole(paths, arguments):
        return paths._replace(reused=True)
    _prepare_folder(paths, counts, overwrite)
    jobs = [(str(out / split), split, index, seed, max_people, (width, height))
            for split in SPLITS for index in range(counts[split])]
    pictures: Dict[str, List[Dict[str, Any]]] = {split: [] for split in SPLITS}
    # The results come first, so that zip exhausts them and the bar and the workers end.
    for picture, job in zip(_with_progress(_run(jobs, int(workers)), len(jobs), progress), jobs):
        pictures[job[1]].append(picture)
    for split, annotations in zip(SPLITS, (paths.train_annotations, paths.val_annotations)):
        _write_json(annotations, _to_coco(pictures[split], arguments, split))
    return paths


def draw_picture(split: str, index: int, seed: int = 0, max_people: int = 4,
                 size_wh: Tuple[int, int] = (320, 256)) -> Tuple[np.ndarray, Tuple[Person, ...]]:
    """The picture (h, w, 3) uint8 BGR at position ``index`` of a split, and its persons, farthest first."""
    rng = np.random.default_rng((seed, SPLITS.index(split), index))
    width = int(rng.integers(int(np.ceil(NARROWEST * size_wh[0])), size_wh[0] + 1))
    picture = make_picture(rng, width, size_wh[1], max_people)
    return picture.image, picture.people


def _check_integer(name: str, value: int, low: int, high: Optional[int]) -> None:
    allowed = f'an integer of at least {low}' if high is None else f'an integer from {low} to {high}'
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f'{name}={value!r} is a {type(value).__name__}. Give {allowed}, for example {name}={low}.')
    if value < low or (high is not None and value > high):
        raise ValueError(f'{name}={value} is out of range. Give {allowed}, for example {name}={low}.')


def _check_size(size_wh: Tuple[int, int]) -> Tuple[int, int]:
    low, high = SIZE_RANGE
    if not isinstance(size_wh, (tuple, list)) or len(size_wh) != 2:
        raise ValueError(f'size_wh={size_wh!r} is not a pair. Give (width, height) in pixels, as size_wh=(320, 256).')
    for side, value in zip(('width', 'height'), size_wh):
        _check_integer(f'size_wh {side}', value, low, high)
    return int(size_wh[0]), int(size_wh[1])


def _is_whole(paths: PeopleDataset, arguments: Dict[str, Any]) -> bool:
    """Whether the folder holds all annotations and pictures made with these arguments."""
    for annotations, images in ((paths.train_annotations, paths.train_images),
                                (paths.val_annotations, paths.val_images)):
        try:
            content = json.loads(annotations.read_text(encoding='utf-8'))
            same = content['info']['arguments'] == arguments
            names = {image['file_name'] for image in content['images']}
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if not same or not images.is_dir() or not names <= {entry.name for entry in os.scandir(images)}:
            return False
    return True


def _prepare_folder(paths: PeopleDataset, counts: Dict[str, int], overwrite: bool) -> None:
    """Make the folders. An older data set of ours is removed first, its annotations before its pictures."""
    root, marker = paths.root, paths.root / MARKER
    if root.exists() and not root.is_dir():
        raise FileExistsError(f'out={str(root)!r} is a file. Give a folder, or a path that does not exist yet.')
    ours = marker.exists()
    if root.is_dir() and any(root.iterdir()) and not ours and not overwrite:
        raise FileExistsError(f'out={str(root)!r} holds files that make_people did not write. Give an empty or a new '
                              'folder, or overwrite=True (--overwrite) to write beside them.')
    for folder in (paths.train_annotations.parent, paths.train_images, paths.val_images):
        folder.mkdir(parents=True, exist_ok=True)
    if ours:
        paths.train_annotations.unlink(missing_ok=True)
        paths.val_annotations.unlink(missing_ok=True)
        for split, count in json.loads(marker.read_text(encoding='utf-8')).items():
            for index in range(count):
                (root / split / _file_name(index)).unlink(missing_ok=True)
    _write_json(marker, counts)


def _file_name(index: int) -> str:
    return f'{index + 1:012d}.jpg'


Job = Tuple[str, str, int, int, int, Tuple[int, int]]
Pictures = Generator[Dict[str, Any], None, None]  # one that can be closed, which ends its workers


def _run(jobs: List[Job], workers: int) -> Pictures:
    """Results in the order of the jobs; by this process alone where there can be no others."""
    if workers == 1 or no_processes() is not None:
        yield from map(_make_one, jobs)
        return
    # Not fork: a forked worker can wait forever for the threads that OpenCV has started in the parent.
    context = multiprocessing.get_context('spawn')
    with context.Pool(min(workers, len(jobs)), initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.imap(_make_one, jobs, chunksize=max(1, min(8, len(jobs) // workers)))


def _make_one(job: Job) -> Dict[str, Any]:
    """Draw and write one picture; return what its entry in the annotations needs."""
    folder, split, index, seed, max_people, size_wh = job
    image, people = draw_picture(split, index, seed, max_people, size_wh)
    path = Path(folder) / _file_name(index)
    written, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not written:
        raise OSError(f'{path}: OpenCV could not encode the picture. Install an OpenCV build with JPEG support.')
    path.write_bytes(data.tobytes())
    return dict(file_name=path.name, width=image.shape[1], height=image.shape[0],
                persons=[_annotation(person) for person in people])


def _annotation(person: Person) -> Dict[str, Any]:
    flags = person.keypoints[:, 2].astype(int)
    keypoints: List[float] = []
    for (x, y), flag in zip(person.keypoints[:, :2].tolist(), flags.tolist()):
        keypoints += [x, y, flag]
    return dict(category_id=1, iscrowd=0, keypoints=keypoints, num_keypoints=int((flags > OUTSIDE).sum()),
                bbox=list(person.box), area=person.area, segmentation=person.segmentation)


def _to_coco(pictures: List[Dict[str, Any]], arguments: Dict[str, Any], split: str) -> Dict[str, Any]:
    """The content of one annotation file; identities count from 1."""
    images: List[Dict[str, Any]] = []
    annotations: List[Dict[str, Any]] = []
    for image_id, picture in enumerate(pictures, 1):
        images.append(dict(id=image_id, **{key: picture[key] for key in ('file_name', 'width', 'height')}))
        for person in picture['persons']:
            annotations.append(dict(id=len(annotations) + 1, image_id=image_id, **person))
    category = dict(id=1, name='person', supercategory='person', keypoints=list(KEYPOINT_NAMES),
                    skeleton=[list(pair) for pair in SKELETON])
    info = dict(description=f'Drawn people, {split}', version=str(VERSION), arguments=arguments)
    return dict(info=info, licenses=[], images=images, annotations=annotations, categories=[category])


def _write_json(path: Path, content: Dict[str, Any]) -> None:
    with whole_or_not(path) as unfinished:
        unfinished.write_text(json.dumps(content), encoding='utf-8')


def _with_progress(results: Pictures, total: int, progress: bool) -> Iterator[Dict[str, Any]]:
    console = Console(stderr=True)
    bar = Progress(TextColumn('drawing people'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                   console=console)
    shown = progress and console.is_terminal
    with closing(results), bar if shown else nullcontext():
        yield from bar.track(results, total=total) if shown else results
