"""Leeds Sports Pose and its extension, from their own downloads to COCO's form."""
import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Set, Union

import cv2
import numpy as np
from scipy.io import loadmat

from ..files import given_path, write_whole

# Joints in the order of joints.mat, and CrowdPose's order of the same 14.
LEEDS_JOINTS = ('right_ankle', 'right_knee', 'right_hip', 'left_hip', 'left_knee', 'left_ankle', 'right_wrist', 'right_elbow',
                'right_shoulder', 'left_shoulder', 'left_elbow', 'left_wrist', 'neck', 'top_head')
CROWDPOSE_JOINTS = ('left_shoulder', 'right_shoulder', 'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist', 'left_hip',
                    'right_hip', 'left_knee', 'right_knee', 'left_ankle', 'right_ankle', 'top_head', 'neck')
# A box is the extent of the labelled joints, wider by this share of it on each side, up to the edge of the picture.
BOX_MARGIN = 0.12
# COCO's areas are those of masks, about this share of the box; CrowdPose's convention where there is no mask.
AREA_OF_BOX = 0.53
# People of LSPET with fewer labelled joints are left out.
MIN_KEYPOINTS = 6
# The first of LSP's 2,000 people that is for testing, its name's number.
FIRST_TEST = 1001
# Ids of LSP's people start behind those of LSPET's 10,000, so that both can stand in one file.
LSP_ID_OFFSET = 20000


def convert_lsp(source: Union[str, Path], out: Union[str, Path]) -> Dict[str, int]:
    """Leeds Sports Pose: 1,000 people to train on, 1,000 to test on.

    Args:
        source (str | Path): The unpacked download: ``joints.mat``, whose ``joints`` are (3, 14, 2000) with x, y in image px
            (NaN: no label) and a flag that is 1 where a joint is hidden (its readme says the opposite), and
            ``images/im0001.jpg`` to ``im2000.jpg``.
        out (str | Path): Folder for ``lsp_train.json``, ``lsp_test.json``, ``lsp_test_half.json`` (every second person of the
            test set, which this project reports) and ``images/lsp*.jpg``.

    Returns:
        dict[str, int]: Number of people of each file, and of those ``left out``, if any: they are not in their photo.

    Raises:
        FileNotFoundError, ValueError: if something is missing, cannot be read or has inverted flags, or ``joints`` has
            another shape.
    """
    source, out = given_path('source', source), given_path('out', out)
    joints = _load_joints(source, (3, 14))
    hidden = joints[2] > 0.5
    if hidden.mean() > 0.5:
        raise ValueError(f'{source / "joints.mat"}: {hidden.mean():.0%} of the flags joints[2] are 1, which marks hidden '
                         'joints in the data set of 2010. This file seems to have them inverted.')
    # v = 1: labelled, but hidden.
    people = np.concatenate([joints[:2].transpose(2, 1, 0), np.where(hidden, 1, 2).T[..., None]], axis=2)
    groups: Dict[str, List[dict]] = {'lsp_train.json': [], 'lsp_test.json': [], 'lsp_test_half.json': []}
    left_out = 0
    for number, person in enumerate(people, 1):
        entry = _entry(source / 'images' / f'im{number:04d}.jpg', out, f'lsp{number:04d}.jpg',
                       LSP_ID_OFFSET + number, person)
        if entry is None:
            left_out += 1
            continue
        groups['lsp_train.json' if number < FIRST_TEST else 'lsp_test.json'].append(entry)
        if number >= FIRST_TEST and number % 2:
            groups['lsp_test_half.json'].append(entry)
    return dict(_write(out, groups), **({'left out': left_out} if left_out else {}))


def convert_lspet(source: Union[str, Path], out: Union[str, Path]) -> Dict[str, int]:
    """Leeds Sports Pose Extended: 8,491 people to train on and 1,000 for validation, chosen once at random.

    Args:
        source (str | Path): The unpacked download: ``joints.mat``, whose ``joints`` are (14, 3, 10000) with x, y in image px
            and a flag that is 1 where a joint has a label, and ``images/im00001.jpg`` to ``im10000.jpg``.
        out (str | Path): Folder for ``train.json``, ``val.json`` and ``images/im*.jpg``. People with fewer than 6 labelled
            joints, or outside of their photo, are left out.

    Returns:
        dict[str, int]: Number of people of each file, and of those ``left out``.

    Raises:
        FileNotFoundError, ValueError: if something is missing, cannot be read or has inverted flags, or ``joints`` has
            another shape.
    """
    source, out = given_path('source', source), given_path('out', out)
    joints = _load_joints(source, (14, 3)).transpose(2, 0, 1)
    flagged = (joints[..., 2] > 0.5).mean()
    if flagged < 0.5:
        raise ValueError(f'{source / "joints.mat"}: {flagged:.0%} of the flags joints[:, 2] are 1, which marks labelled joints '
                         'in the data set of 2011. This file seems to have them inverted.')
    for_validation = _validation_ids()
    groups: Dict[str, List[dict]] = {'train.json': [], 'val.json': []}
    left_out = 0
    for number, person in enumerate(joints, 1):
        labelled = (person[:, 2] > 0.5) & np.isfinite(person).all(axis=1)
        if labelled.sum() < MIN_KEYPOINTS:
            left_out += 1
            continue
        person = np.where(labelled[:, None], np.concatenate([person[:, :2], np.full((14, 1), 2.)], axis=1), 0.)
        name = f'im{number:05d}.jpg'
        entry = _entry(source / 'images' / name, out, name, number, person)
        if entry is None:
            left_out += 1
            continue
        groups['val.json' if number in for_validation else 'train.json'].append(entry)
    return dict(_write(out, groups), **{'left out': left_out})


def _load_joints(source: Path, shape: Sequence[int]) -> np.ndarray:
    path = source / 'joints.mat'
    if not path.is_file():
        raise FileNotFoundError(f'{str(path)!r} does not exist. Give the folder of the unpacked download, with joints.mat and '
                                'images/ in it.')
    try:
        joints = loadmat(path).get('joints')
    except Exception as error:  # SciPy's own, zlib's and Python's, by where the file is broken
        raise ValueError(f'{str(path)!r} cannot be read as a MATLAB file up to version 7: {error}. Unpack it from the download '
                         'again.') from error
    if joints is None or joints.ndim != 3 or joints.shape[:2] != tuple(shape) or not joints.size:
        found = 'none' if joints is None else str(joints.shape)
        raise ValueError(f'{str(path)!r} has joints of shape {found}, expected {(*shape, "people")}. (3, 14, 2000) is Leeds '
                         'Sports Pose, (14, 3, 10000) its extension.')
    return joints.astype(np.float64)


def _validation_ids() -> Set[int]:
    return set(map(int, (files(__package__) / 'lspet_val.txt').read_text(encoding='utf-8').split()))


def _entry(photo: Path, out: Path, name: str, number: int, person: np.ndarray) -> Optional[Dict[str, Any]]:
    """Image and annotation of one person (14, 3) in the order of joints.mat; copies the photo. None without a box in it."""
    image = cv2.imread(str(photo), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise FileNotFoundError(f'{str(photo)!r} does not exist, or is no photo.')
    height, width = image.shape[:2]
    joints = person[[LEEDS_JOINTS.index(joint) for joint in CROWDPOSE_JOINTS]]
    joints = np.where(np.isfinite(joints).all(axis=1, keepdims=True), joints, 0.)
    labelled = joints[joints[:, 2] > 0, :2]
    if not len(labelled):
        return None
    margin = BOX_MARGIN * (labelled.max(axis=0) - labelled.min(axis=0))
    left_top = np.clip(labelled.min(axis=0) - margin, 0, (width, height))
    size = np.clip(labelled.max(axis=0) + margin, 0, (width, height)) - left_top
    if not size.all():
        return None
    (out / 'images').mkdir(parents=True, exist_ok=True)
    shutil.copyfile(photo, out / 'images' / name)
    image_entry = dict(id=number, file_name=name, width=width, height=height)
    return dict(image=image_entry, annotation=dict(
        id=number, image_id=number, category_id=1, iscrowd=0, bbox=np.round([*left_top, *size], 2).tolist(),
        area=round(float(AREA_OF_BOX * size.prod()), 2), keypoints=np.round(joints, 2).ravel().tolist(),
        num_keypoints=len(labelled)))


def _write(out: Path, groups: Dict[str, List[dict]]) -> Dict[str, int]:
    category = dict(id=1, name='person', supercategory='person', keypoints=list(CROWDPOSE_JOINTS), skeleton=[])
    for name, entries in groups.items():
        content = dict(images=[entry['image'] for entry in entries], annotations=[entry['annotation'] for entry in entries],
                       categories=[category])
        write_whole(out / name, json.dumps(content, separators=(',', ':')).encode())
    return {name: len(entries) for name, entries in groups.items()}
