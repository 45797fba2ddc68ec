"""Merge the result files of several models into one."""
from pathlib import Path
from typing import Callable, Dict, Hashable, List, Optional, Sequence, Set, Union

import numpy as np
from mmpose.evaluation.functional.nms import oks_iou

from .results import Pose, check_sigmas, read_results
from .scoring import by_image

MATCHES = ('oks', 'bbox', 'id')


def merge_results(files: Sequence[Union[str, Path]],
                  match: str = 'oks',
                  threshold: float = 0.5,
                  sigmas: Optional[np.ndarray] = None,
                  images: Optional[Set[int]] = None) -> List[Pose]:
    """Average the poses that several result files hold of one person.

    Joint positions and joint scores are averaged over the files that have the person. The pose score is the sum of the
    files' scores over the number of ALL files: a person that a file does not have counts there as 0. Where the files share
    a box, so a box score, that is the paper's rule, mean joint score times box score, of the averaged pose.

    Args:
        files (Sequence[str | Path]): Two or more result files.
        match (str): How persons of different files are known to be the same. ``'bbox'``: by the ``bbox`` that MMPose's
            ``outfile_prefix`` writes, exact when all models got the same boxes. ``'id'``: by a key ``id``. ``'oks'``:
            needs neither; going through the poses of an image by falling score, each joins the person with whose best
            pose it has the highest OKS, if that is at least ``threshold`` and its file has no pose there yet; else it
            is a new person. Defaults to ``'oks'``.
        threshold (float): See above, in (0, 1]. Defaults to 0.5.
        sigmas (np.ndarray, optional): (K, ), OKS's constants; needed by ``'oks'``.
        images (set[int], optional): Ids of the images of the data set. Files may then lack images (of which they found
            nobody); without it all files must have the same ones.

    Returns:
        list[Pose]: Images in order of appearance, within an image in order of the first file, or for ``'oks'`` by score.

    Raises:
        FileNotFoundError, ValueError: if a file cannot be read, holds other images or other joints, or lacks what
            ``match`` needs, naming the file.
    """
    _check_arguments(files, match, threshold, sigmas)
    contents = [read_results(file) for file in files]
    names = [repr(str(file)) for file in files]
    _check_joints(contents, names)
    _check_images(contents, names, images)
    constants = np.ones(0) if sigmas is None else np.asarray(sigmas)
    if match == 'oks':
        check_sigmas([poses[0] for poses in contents if poses][:1], constants)
    else:
        _check_keys(contents, names, match)

    merged: List[Pose] = []
    groups = [by_image(poses) for poses in contents]
    for image_id in dict.fromkeys(image_id for group in groups for image_id in group):
        per_file = [group.get(image_id, []) for group in groups]
        persons = _match_by_oks(per_file, threshold, constants) if match == 'oks' else _match_by_key(per_file, _KEYS[match])
        merged += [_average(person, len(files)) for person in persons]
    return merged


# What identifies a person, by the name of the match.
_KEYS: Dict[str, Callable[[Pose], Optional[Hashable]]] = {'bbox': lambda pose: pose.box, 'id': lambda pose: pose.id}


def _match_by_key(per_file: Sequence[List[Pose]], key: Callable[[Pose], Optional[Hashable]]) -> List[List[Pose]]:
    persons: Dict[Optional[Hashable], List[Pose]] = {}
    for poses in per_file:
        for pose in poses:
            persons.setdefault(key(pose), []).append(pose)
    return list(persons.values())


def _match_by_oks(per_file: Sequence[List[Pose]], threshold: float, sigmas: np.ndarray) -> List[List[Pose]]:
    """Poses of one image, grouped by person. Of equal scores the earlier file goes first."""
    ranked = sorted(((pose.score, -number, pose) for number, poses in enumerate(per_file) for pose in poses),
                    key=lambda entry: entry[:2], reverse=True)
    persons: List[Dict[int, Pose]] = []
    for _, number, pose in ranked:
        free = [person for person in persons if number not in person]
        if free:
            best = [next(iter(person.values())) for person in free]
            oks = oks_iou(pose.keypoints.ravel(), np.array([other.keypoints.ravel() for other in best]), pose.area,
                          np.array([other.area for other in best]), sigmas)
            if oks.max() >= threshold:
                free[int(oks.argmax())][number] = pose
                continue
        persons.append({number: pose})
    # In the files' order, so that the average does not depend on the scores by rounding.
    return [[person[number] for number in sorted(person, reverse=True)] for person in persons]


def _average(person: Sequence[Pose], num_files: int) -> Pose:
    first = person[0]
    keypoints = np.mean([pose.keypoints for pose in person], axis=0)
    area = float(np.mean([pose.area for pose in person]))
    score = sum(pose.score for pose in person) / num_files
    return Pose(first.image_id, first.category_id, keypoints, score, area, first.box, first.id)


def _check_arguments(files: Sequence[Union[str, Path]], match: str, threshold: float, sigmas: Optional[np.ndarray]) -> None:
    if len(files) < 2:
        raise ValueError(f'files={[str(file) for file in files]}: merging takes at least two result files.')
    if match not in MATCHES:
        raise ValueError(f'match={match!r} is not known: give one of {", ".join(map(repr, MATCHES))}.')
    if not 0 < threshold <= 1:
        raise ValueError(f'threshold={threshold!r} is not an OKS: give a number above 0, at most 1.')
    if match == 'oks' and sigmas is None:
        raise ValueError("sigmas=None, but match='oks' needs OKS's constants: give keypoint_sigmas('coco') or those of your "
                         'data set.')


def _check_joints(contents: Sequence[List[Pose]], names: Sequence[str]) -> None:
    counts = {name: len(poses[0].keypoints) for name, poses in zip(names, contents) if poses}
    if len(set(counts.values())) > 1:
        raise ValueError('The files hold poses of different joints: '
                         f'{", ".join(f"{count} in {name}" for name, count in counts.items())}. Merge files of one data set.')


def _check_images(contents: Sequence[List[Pose]], names: Sequence[str], images: Optional[Set[int]]) -> None:
    found = [{pose.image_id for pose in poses} for poses in contents]
    expected = found[0] if images is None else set(images)
    for name, own in zip(names, found):
        surplus = own - expected
        lacking = expected - own if images is None else set()
        if not surplus and not lacking:
            continue
        examples = ', '.join(str(i) for i in sorted(surplus or lacking, key=str)[:3])
        if images is not None:
            raise ValueError(f'{name} is a result file for other images: {len(surplus)} of its {len(own)} are not in the '
                             f'annotation file (for example {examples}). Give files of the same data set and split.')
        raise ValueError(f'{name} is a result file for other images than {names[0]}: it has {len(surplus)} that the other '
                         f'lacks, and lacks {len(lacking)} (for example {examples}). Give files of the same data set and '
                         'split; if models found nobody in some images, name the annotation file, so that this can be told.')


def _check_keys(contents: Sequence[List[Pose]], names: Sequence[str], match: str) -> None:
    for name, poses in zip(names, contents):
        keys = [(pose.image_id, _KEYS[match](pose)) for pose in poses]
        if any(key is None for _, key in keys):
            raise ValueError(f'{name} has persons without {match!r}, by which they are to be matched. '
                             "match='oks' needs none.")
        if len(set(keys)) < len(keys):
            raise ValueError(f'{name} has several persons of one image with the same {match!r}: it does not identify them. '
                             "Use match='oks'.")
