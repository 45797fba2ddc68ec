"""What the tools call: models or files in, a result file out."""
from pathlib import Path
from typing import List, Optional, Sequence, Tuple, Union

import numpy as np

from .ensemble import Member, load_member, poses_of, predict_together
from .merging import merge_results
from .results import Pose, coco_metrics, image_ids, keypoint_sigmas, write_results
from .scoring import suppress

PathLike = Union[str, Path]


def ensemble(models: Sequence[Tuple[PathLike, Optional[str]]],
             out: PathLike,
             annotations: Optional[PathLike] = None,
             nms: str = 'none',
             nms_threshold: float = 0.9,
             batch_size: Optional[int] = None,
             device: str = 'cpu',
             options: Optional[dict] = None) -> List[Pose]:
    """Average the heatmaps of models, and write what they say together.

    Args:
        models (Sequence[tuple]): Config and checkpoint of each model.
        out (str | Path): COCO result file to write.
        annotations (str | Path, optional): Annotation file; the AP of ``out`` is then printed.
        nms, nms_threshold: See :func:`suppress`. Boxes that have been through a detector's NMS need none.
        batch_size (int, optional): Persons a batch. Defaults to that of the first config.
        device (str): Where to compute.
        options (dict, optional): What to replace in all configs.

    Returns:
        list[Pose]: What was written.

    Raises:
        ValueError: see :func:`load_member`, :func:`predict_together`, :func:`suppress`. Nothing is written then.
    """
    suppress([], nms, nms_threshold, np.ones(0))  # its arguments are checked before hours of work
    members = load_members(models, batch_size, device, options)
    sigmas = np.asarray(members[0].loader.dataset.metainfo['sigmas'])
    poses = suppress(poses_of(predict_together(members, progress=True)), nms, nms_threshold, sigmas)
    _write(out, poses, annotations, sigmas)
    return poses


def load_members(models: Sequence[Tuple[PathLike, Optional[str]]], batch_size: Optional[int], device: str,
                 options: Optional[dict]) -> List[Member]:
    """The models of an ensemble, with batches of the same size."""
    members: List[Member] = []
    for config, checkpoint in models:
        members.append(load_member(config, checkpoint, device, options, batch_size))
        batch_size = members[0].loader.batch_size
    return members


def merge(files: Sequence[PathLike],
          out: PathLike,
          match: str = 'oks',
          match_threshold: float = 0.5,
          images: Optional[PathLike] = None,
          annotations: Optional[PathLike] = None,
          nms: str = 'none',
          nms_threshold: float = 0.9,
          data: str = 'coco') -> List[Pose]:
    """Merge result files into one.

    Args:
        files (Sequence[str | Path]): Result files.
        out (str | Path): COCO result file to write.
        match, match_threshold: See :func:`merge_results`.
        images (str | Path, optional): Annotation file that lists the images of the data set. Defaults to ``annotations``.
        annotations (str | Path, optional): Annotation file; the AP of ``out`` is then printed.
        nms, nms_threshold: See :func:`suppress`.
        data (str): The data set, see :func:`keypoint_sigmas`.

    Returns:
        list[Pose]: What was written.

    Raises:
        FileNotFoundError, ValueError: see :func:`merge_results` and :func:`suppress`. Nothing is written then.
    """
    sigmas = keypoint_sigmas(data)
    listed = images or annotations
    poses = merge_results(files, match, match_threshold, sigmas, None if listed is None else set(image_ids(listed)))
    poses = suppress(poses, nms, nms_threshold, sigmas)
    _write(out, poses, annotations, sigmas)
    return poses


def _write(out: PathLike, poses: List[Pose], annotations: Optional[PathLike], sigmas: np.ndarray) -> None:
    write_results(out, poses)
    print(f'{len(poses)} poses of {len({pose.image_id for pose in poses})} images in {out}')
    if annotations is not None and poses:
        for name, value in coco_metrics(out, annotations, sigmas).items():
            print(f'{name:<8} {value:.4f}')
