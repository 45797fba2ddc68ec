"""MPII: the test persons of the official annotations, and the result file that its evaluation server takes."""
import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
from scipy.io import loadmat, savemat
from scipy.io.matlab import MatReadError

from ..files import replacing
from .apis import load_members
from .ensemble import predict_together

NUM_JOINTS = 16
# MATLAB counts pixels from 1.
FIRST_PIXEL = 1


class Rect(NamedTuple):
    """A person of an image, as annotated: ``position`` (x, y) in MATLAB's px and ``scale`` in 200 px, None where missing."""
    position: Optional[Tuple[float, float]]
    scale: Optional[float]


class ServerImage(NamedTuple):
    """A test image: its file's name, its persons, and the indices of those that the single-person benchmark scores."""
    name: str
    rects: List[Rect]
    scored: List[int]


def read_server_images(annotations: Union[str, Path]) -> List[ServerImage]:
    """Read the test images of ``mpii_human_pose_v1_u12_1.mat``.

    Args:
        annotations (str | Path): The official annotation file, with a struct ``RELEASE``.

    Returns:
        list[ServerImage]: In the file's order. A person is scored if ``single_person`` names it and it has a position, which is
        the rule of MPII's ``flatten_annolist``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not MPII's.
    """
    path = Path(annotations)
    if not path.is_file():
        raise FileNotFoundError(f"MPII's annotations {str(path)!r} do not exist: take mpii_human_pose_v1_u12_2.zip from "
                                'http://human-pose.mpi-inf.mpg.de and name the .mat file in it.')
    try:
        release = loadmat(path)['RELEASE'][0, 0]
        images, train, single = (release[key].ravel() for key in ('annolist', 'img_train', 'single_person'))
        return [_server_image(image, persons) for image, is_train, persons in zip(images, train, single) if not is_train]
    except (KeyError, IndexError, TypeError, ValueError, NotImplementedError, MatReadError) as error:
        raise ValueError(f'{str(path)!r} is not the annotation file of MPII (mpii_human_pose_v1_u12_1.mat, with a struct '
                         f'RELEASE of annolist, img_train and single_person): {error!r}.') from error


def server_annotations(images: Sequence[ServerImage]) -> List[Dict[str, Any]]:
    """The scored persons in the JSON format of MMPose's ``MpiiDataset``, image by image.

    The joints are unknown: none is labelled.

    Args:
        images (Sequence[ServerImage]): From :func:`read_server_images`.

    Returns:
        list[dict]: ``image, center, scale, joints, joints_vis``.
    """
    persons = [(image, image.rects[i]) for image in images for i in image.scored]
    return [
        dict(image=image.name, center=list(rect.position or ()), scale=rect.scale, joints=[[1, 1]] * NUM_JOINTS,
             joints_vis=[0] * NUM_JOINTS) for image, rect in persons
    ]


def write_mpii_results(path: Union[str, Path], images: Sequence[ServerImage], joints: np.ndarray) -> None:
    """Write the file that MPII's server takes, whole or not at all. It asks for the name ``pred_keypoints_mpii.mat``.

    A struct array ``pred`` with an element a test image, in the order of ``RELEASE.annolist(RELEASE.img_train == 0)``, and as
    in the annotations ``pred(i).image.name``, ``pred(i).annorect(r).objpos``, ``.scale``; for scored persons
    ``pred(i).annorect(r).annopoints.point(j)`` with ``x``, ``y`` in MATLAB's px (the first is 1) and ``id``, 0 to 15.

    Args:
        path (str | Path): The file to make or to replace.
        images (Sequence[ServerImage]): From :func:`read_server_images`.
        joints (np.ndarray): (N, 16, 2) predicted joints of the scored persons, in the order of :func:`server_annotations`, in
            image px, 0 being the first.

    Raises:
        ValueError: if there are not as many predictions as scored persons, of another shape, or not finite.
    """
    joints = np.asarray(joints, dtype=float)
    expected = (sum(len(image.scored) for image in images), NUM_JOINTS, 2)
    if joints.shape != expected:
        raise ValueError(f'joints has shape {joints.shape}, but the server scores {expected[0]} persons of {NUM_JOINTS} '
                         f'joints: {expected} is expected. Predict with the annotations that these images are from.')
    if not np.isfinite(joints).all():
        raise ValueError('joints has values that are not finite, which the server does not take.')
    remaining = iter(joints + FIRST_PIXEL)
    pred = np.empty((1, len(images)), dtype=[('image', object), ('annorect', object)])
    for i, image in enumerate(images):
        own = {index: next(remaining) for index in image.scored}
        pred[0, i] = dict(name=image.name), _annorect(image, own)
    with replacing(path) as file:
        savemat(file, dict(pred=pred), do_compression=True)


def mpii_results(models: Sequence[Tuple[Union[str, Path], Optional[str]]],
                 annotations: Union[str, Path],
                 out: Union[str, Path],
                 batch_size: Optional[int] = None,
                 device: str = 'cpu',
                 options: Optional[dict] = None) -> np.ndarray:
    """Predict MPII's test persons with one model or an ensemble, and write the server's file.

    Args:
        models (Sequence[tuple]): Config and checkpoint of each model.
        annotations (str | Path): The official ``mpii_human_pose_v1_u12_1.mat``.
        out (str | Path): File to write.
        batch_size, device, options: See :func:`rsn_mm.evaluation.apis.ensemble`.

    Returns:
        np.ndarray: (N, 16, 2) joints as in :func:`write_mpii_results`.

    Raises:
        FileNotFoundError, ValueError: see :func:`read_server_images`, :func:`rsn_mm.evaluation.predict_together`. Nothing is
            written then.
    """
    images = read_server_images(annotations)
    with tempfile.TemporaryDirectory() as folder:
        persons = Path(folder) / 'test.json'
        persons.write_text(json.dumps(server_annotations(images)))
        data = {'test_dataloader.dataset.ann_file': str(persons), 'test_dataloader.dataset.headbox_file': None}
        members = load_members(models, batch_size, device, {**(options or {}), **data})
        found = {sample.id: sample.pred_instances.keypoints[0, :, :2] for sample in predict_together(members, progress=True)}
    joints = np.array([found[person] for person in sorted(found)])
    write_mpii_results(out, images, joints)
    print(f'{len(joints)} persons of {len(images)} images in {out}')
    return joints


def _server_image(image: np.void, single_person: np.ndarray) -> ServerImage:
    rects = [_rect(rect) for rect in image['annorect'].ravel()] if image['annorect'].dtype.names else []
    named = sorted(int(index) - 1 for index in np.ravel(single_person))
    return ServerImage(str(image['image'].ravel()[0]['name'].ravel()[0]), rects,
                     [i for i in named if i < len(rects) and rects[i].position is not None])


def _rect(rect: np.void) -> Rect:
    fields = rect.dtype.names or ()
    position = rect['objpos'] if 'objpos' in fields else np.zeros(0)
    scale = rect['scale'] if 'scale' in fields else np.zeros(0)
    x, y = (position.ravel()[0][axis].item() if position.size else 0 for axis in 'xy')
    return Rect((float(x), float(y)) if position.size else None, float(scale.item()) if scale.size else None)


def _annorect(image: ServerImage, joints: Dict[int, np.ndarray]) -> np.ndarray:
    """MATLAB's struct array of the persons of an image, (1, number of persons)."""
    empty = np.zeros((0, 0))
    annorect = np.empty((1, len(image.rects)), dtype=[('annopoints', object), ('objpos', object), ('scale', object)])
    for i, rect in enumerate(image.rects):
        position = empty if rect.position is None else dict(x=rect.position[0], y=rect.position[1])
        points = dict(point=_points(joints[i])) if i in joints else empty
        annorect[0, i] = points, position, empty if rect.scale is None else rect.scale
    return annorect if image.rects else empty


def _points(joints: np.ndarray) -> np.ndarray:
    points = np.empty((1, len(joints)), dtype=[('x', object), ('y', object), ('id', object)])
    for i, (x, y) in enumerate(joints):
        points[0, i] = float(x), float(y), float(i)
    return points
