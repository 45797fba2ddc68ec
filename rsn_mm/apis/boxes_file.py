"""Boxes from files: COCO detections, annotations, and what this package writes, matched with pictures by their names."""
import logging
import math
import reprlib
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from ..files import given_path
from ..json_files import read_json
from ..pictures import UnusableInput
from .detectors import Boxes, GivenDetector, boxes_from
from .frames import Frame
from .results import Skipped

logger = logging.getLogger('rsn_mm.apis')

# Of an entry or a picture that names none, as in COCO's results.
PERSON = '1'
SHOWN = 5  # ids or names in a message


class CocoBoxes(GivenDetector):
    """Person detections in COCO's JSON: a list of ``image_id``, ``bbox`` (x, y, width, height), ``score`` and, if there is
    more than one, ``category_id`` (1 is taken); or a file with ``images``, which name the files, and ``annotations``, such as
    a ``predictions.json`` of this package. Of its ``categories`` the one called ``person`` is taken, or the only one.

    Names are compared by as much of the path as tells them apart; without ``images``, the ``image_id`` is the picture's file
    name without its suffix (leading zeros do not matter). A frame of a video is that of the same name and ``frame_index``, or
    else, as for arrays, the ``image_id`` is the number of the frame, counted over all inputs from 0. A picture without
    detections has no people, which is said; one that the file's ``images`` do not list cannot be used.

    Args:
        path (str | Path): The JSON file.
        score_threshold (float): Detections below are left out.
        sources (Sequence[str]): Names of all inputs, so that each entry goes to the one that it fits best.

    Raises:
        FileNotFoundError, ValueError: if there is no such file, or it is something else, naming the file and the entry.
    """

    def __init__(self, path: Union[str, Path], score_threshold: float = 0., sources: Sequence[str] = ()) -> None:
        self._path = str(path)
        super().__init__(f'boxes={self._path!r}')
        self._file = _read(self._path)
        self._rows: Dict[str, List[List[float]]] = defaultdict(list)
        persons = [entry for entry in self._file.entries if entry.is_person]
        kept = [entry for entry in persons if entry.score >= score_threshold]
        for entry in kept:
            x, y, width, height = entry.bbox
            self._rows[entry.image_id].append([x, y, x + width, y + height, entry.score])
        if len(kept) < len(persons):
            logger.warning('%s: %d of its %d boxes have a score below box_threshold=%g and are left out.', self._name,
                           len(persons) - len(kept), len(persons), score_threshold)
        names = {image.name for image in self._file.images} if self._file.images is not None else {
            entry.image_id for entry in self._file.entries}
        self._names = _Names(names, sources)
        self._ids: Dict[Tuple[str, Optional[int]], List[str]] = defaultdict(list)
        for image in self._file.images if self._file.images is not None else [_Image(name, name, None) for name in names]:
            alike = self._ids[image.name, image.frame_index]
            if image.id not in alike:  # listed twice
                alike.append(image.id)
        self._numbers = {_plain(PurePosixPath(name).stem): name for name, index in self._ids if index is None}
        self._used: Set[str] = set()
        self._first_unlisted: Dict[str, int] = {}

    def of(self, frame: Frame, number: int) -> Boxes:
        ids = self._ids_of(frame, number)
        if ids is None and self._file.images is not None:
            first = self._first_unlisted.setdefault(frame.source, frame.index)
            raise UnusableInput(f'boxes={self._path!r} does not list it' if frame.time is None else
                                f'boxes={self._path!r} does not list all of its frames; the first that is missing is {first}')
        self._used.update(ids or ())
        return boxes_from([row for one in ids or () for row in self._rows.get(one, ())], self._path)

    def unused(self) -> List[Skipped]:
        found: List[Skipped] = []
        left = {key: rows for key, rows in self._rows.items() if key not in self._used}
        if left:
            count = sum(len(rows) for rows in left.values())
            total = sum(len(rows) for rows in self._rows.values())
            found.append(Skipped(self._path, f'{count} of its {total} boxes belong to no picture or frame that was read: '
                                 f'image_id {_some(left)}'))
        others = {entry.category_id for entry in self._file.entries if not entry.is_person}
        unlisted = [entry.category_id for entry in self._file.entries if entry.category_id in others - self._file.category_ids]
        if unlisted and self._file.category_ids:
            found.append(Skipped(self._path, f'{len(unlisted)} of its boxes have category_id {_some(set(unlisted))}, which its '
                                 '"categories" do not list'))
        elif others and not any(entry.is_person for entry in self._file.entries):
            found.append(Skipped(self._path, f'all of its boxes have category_id {_some(others)}, and persons have '
                                 f'{_some(self._file.person_ids)}. Give the id that its persons have in "categories", as '
                                 '{"id": ..., "name": "person"}'))
        return found

    def _ids_of(self, frame: Frame, number: int) -> Optional[List[str]]:
        """Image ids of a frame, or None if the file has none."""
        name = self._names.of(frame.source, self._path)
        still = frame.time is None and frame.index == 0
        for index in (0, None) if still else (frame.index, ):
            if name is not None and (name, index) in self._ids:
                return self._ids[name, index]
        if not still or frame.source.startswith('array '):
            by_number = self._numbers.get(str(number))
            return None if by_number is None else self._ids[by_number, None]
        return None


class _Names:
    """Which of a file's names means which source."""

    def __init__(self, names: Set[str], sources: Sequence[str]) -> None:
        self._names = names
        self._by_stem: Dict[str, List[str]] = defaultdict(list)
        for name in names:
            self._by_stem[_stem(name)].append(name)
        self._found: Dict[str, Optional[str]] = {}
        # A name goes to the source that it fits best.
        self._best: Dict[str, Tuple[int, int, bool]] = {}
        self._claims: Dict[str, Set[str]] = defaultdict(set)
        for source in {_normal(source): source for source in sources}.values():
            for name in self._candidates(source):
                fit = _fit(name, source)
                if fit > self._best.get(name, (-1, -1, False)):
                    self._best[name], self._claims[name] = fit, {source}
                elif fit == self._best[name]:
                    self._claims[name].add(source)

    def of(self, source: str, path: str) -> Optional[str]:
        """The name that means ``source``, or None.

        Raises:
            UnusableInput: if several do, or it means several sources.
        """
        if source not in self._found:
            fits = {name: _fit(name, source) for name in self._candidates(source)}
            fits = {name: fit for name, fit in fits.items() if fit >= self._best.get(name, fit)}
            best = [name for name, fit in fits.items() if fit == max(fits.values())]
            if len(best) > 1:
                raise UnusableInput(f'boxes={path!r} has several pictures that could be it: {_some(best)}. Give it by a path '
                                    'that tells them apart')
            rivals = self._claims[best[0]] if best else set()
            if len(rivals) > 1:
                raise UnusableInput(f'boxes={path!r} has one picture, {best[0]!r}, that could be any of {_some(rivals)}. Name '
                                    'them there by a path that tells them apart')
            self._found[source] = best[0] if best else None
        return self._found[source]

    def _candidates(self, source: str) -> List[str]:
        return [source] if source in self._names else self._by_stem.get(_stem(source), [])


def _fit(name: str, source: str) -> Tuple[int, int, bool]:
    """How well a file's name means a source whose file is called the same but for suffix and zeros; more is better: how many
    folders agree, how much of the file's name does, and whether the name says no more."""
    own, other = _parts(name), _parts(source)
    agree = 0
    while agree + 1 < min(len(own), len(other)) and own[-2 - agree] == other[-2 - agree]:
        agree += 1
    exact = 2 if own[-1] == other[-1] else int(PurePosixPath(own[-1]).stem == PurePosixPath(other[-1]).stem)
    return agree, exact, agree + 1 == len(own)


def _normal(name: str) -> str:
    return '/'.join(_parts(name))


def _parts(name: str) -> List[str]:
    """Parts of a path or URL, without its query."""
    path = name.partition('?')[0] if '://' in name else name
    return [part for part in path.replace('\\', '/').split('/') if part not in ('', '.')] or [name]


def _stem(name: str) -> str:
    return _plain(PurePosixPath(_parts(name)[-1]).stem)


def _plain(name: str) -> str:
    return name.lstrip('0') or '0' if name.isdecimal() else name


class _Image(NamedTuple):
    """A picture, or a frame of a video, that a file lists."""
    id: str
    name: str
    frame_index: Optional[int]


class _Detection(NamedTuple):
    """An entry of a COCO file; ``bbox`` is x, y, width, height in image px."""
    image_id: str
    category_id: str
    is_person: bool
    bbox: List[float]
    score: float


class _File(NamedTuple):
    """Detections of all categories, the ids of persons and of all categories that the file lists, and the pictures, if it
    lists them."""
    entries: List[_Detection]
    person_ids: Set[str]
    category_ids: Set[str]
    images: Optional[List[_Image]]


def _read(given: str) -> _File:
    path = given_path('boxes', given)
    if not given or not path.is_file():
        what = 'is a folder' if given and path.is_dir() else 'does not exist' if given else 'is an empty text'
        raise FileNotFoundError(f'boxes={given!r} {what}. Give a COCO detection file, or arrays.')
    try:
        content = read_json(path)
        images: Optional[List[_Image]] = None
        person_ids: Set[str] = {PERSON}
        category_ids: Set[str] = set()
        if isinstance(content, dict):
            images = _images(_list_of(content, 'images'))
            person_ids, category_ids = _person_ids(content)
            content = _list_of(content, 'annotations')
        if not isinstance(content, list):
            raise ValueError(f'it holds {reprlib.repr(content)}')
        return _File([_detection(entry, f'entry {i}', person_ids) for i, entry in enumerate(content)], person_ids, category_ids,
                     images)
    except ValueError as error:
        raise ValueError(f'boxes={given!r} is no COCO detection file: {error}. Give a list of image_id, bbox (x, y, width, '
                         'height) and score, or an annotation file.') from error


def _person_ids(content: Dict[str, Any]) -> Tuple[Set[str], Set[str]]:
    """Ids of the categories that are people, and of all that are listed."""
    if content.get('categories') in (None, []):
        return {PERSON}, set()
    names: Dict[str, str] = {}
    for i, category in enumerate(_list_of(content, 'categories')):
        if not isinstance(category, dict):
            raise ValueError(f'categories[{i}] is {reprlib.repr(category)}, not an object')
        names[_id(category, 'id', f'categories[{i}]')] = str(category.get('name', '')).strip().lower()
    persons = {key for key, name in names.items() if name == 'person'}
    if not persons and len(names) > 1:
        raise ValueError(f'none of its categories is called person: they are {_some(names.values())}. Call one of them so')
    return persons or set(names), set(names)


def _list_of(content: Dict[str, Any], key: str) -> List[Any]:
    if not isinstance(content.get(key), list):
        raise ValueError(f'it is an object without a list of {key}')
    return content[key]


def _images(entries: List[Any]) -> List[_Image]:
    images: Dict[str, _Image] = {}
    for i, entry in enumerate(entries):
        image = _image(entry, f'images[{i}]')
        if images.setdefault(image.id, image) != image:
            raise ValueError(f'images[{i}] has the id {image.id} and is {image.name!r}, as is {images[image.id].name!r}: each '
                             'has to have an id of its own')
    return list(images.values())


def _image(image: Any, where: str) -> _Image:
    if not isinstance(image, dict) or not isinstance(image.get('file_name'), str):
        raise ValueError(f'{where} has no file_name')
    index = image.get('frame_index')
    if index is not None and type(index) is not int:
        raise ValueError(f'{where} has the frame_index {reprlib.repr(index)}, not an integer')
    return _Image(_id(image, 'id', where), image['file_name'], index)


def _detection(entry: Any, where: str, person_ids: Set[str]) -> _Detection:
    if not isinstance(entry, dict):
        raise ValueError(f'{where} is {reprlib.repr(entry)}, not an object')
    bbox = entry.get('bbox')
    if not isinstance(bbox, list) or len(bbox) not in (4, 5):  # Some detectors write the score behind.
        raise ValueError(f'{where} has the bbox {reprlib.repr(bbox)}, not four numbers')
    try:
        score = entry.get('bbox_score', entry.get('score', bbox[4] if len(bbox) == 5 else 1.))  # the box's own, before a pose's
        x, y, width, height, score = (float(number) for number in (*bbox[:4], score))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f'{where} has a bbox or score that is not of numbers ({error})') from error
    if not math.isfinite(score):
        x, score = math.nan, 1.  # counted with the boxes that cannot be used
    category_id = _id(entry, 'category_id', where) if entry.get('category_id') is not None else next(iter(person_ids))
    return _Detection(_id(entry, 'image_id', where), category_id, category_id in person_ids, [x, y, width, height], score)


def _id(entry: Dict[str, Any], key: str, where: str) -> str:
    """An id as text, so that 1, 1.0 and "1" are the same."""
    value = entry.get(key)
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) not in (int, str):  # True is an int, too
        raise ValueError(f'{where} has the {key} {reprlib.repr(value)}, not an integer or a text')
    return str(value)


def _some(names: Any) -> str:
    listed = sorted(map(str, names), key=lambda name: (len(name), name))
    return ', '.join(listed[:SHOWN]) + (f' and {len(listed) - SHOWN} more' if len(listed) > SHOWN else '')
