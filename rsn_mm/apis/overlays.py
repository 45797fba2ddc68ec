"""Pictures of predicted poses beside annotated ones."""
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, Sequence

import cv2
import numpy as np
from mmengine.structures import InstanceData
from mmpose.datasets import CocoDataset
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.structures import PoseDataSample
from mmpose.visualization import PoseLocalVisualizer

from ..json_files import read_json
from ..pictures import read_picture
from .drawing import score_threshold_of

SCORE_THRESHOLD = score_threshold_of('QuarterOffsetHeatmap')  # that of the demo's config


def draw_beside_truth(annotations: Path, images: Path, predictions: Path, out: Path, count: int) -> List[Path]:
    """Draw the annotated poses of pictures on the left, the predicted ones on the right.

    Args:
        annotations (Path): COCO keypoint annotations.
        images (Path): Folder of the pictures.
        predictions (Path): COCO-style results: a list of ``image_id``, ``keypoints`` (x, y, score, ...), ``score``.
        out (Path): Folder for PNG files, made if missing.
        count (int): How many pictures to draw: those with the most people, crowded ones first.

    Returns:
        list[Path]: The files written.
    """
    truth = read_json(annotations)
    annotated = _by_image(truth['annotations'])
    predicted = _by_image(read_json(predictions))
    crowded = sorted(truth['images'], key=lambda image: len(annotated[image['id']]), reverse=True)

    visualizer = PoseLocalVisualizer(radius=3, line_width=2)
    visualizer.set_dataset_meta(parse_pose_metainfo(dict(CocoDataset.METAINFO)))
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for image in crowded[:count]:
        sample = PoseDataSample()
        sample.gt_instances = _instances(annotated[image['id']])
        sample.pred_instances = _instances(predicted[image['id']])
        picture = cv2.cvtColor(read_picture(str(images / image['file_name'])), cv2.COLOR_BGR2RGB)
        path = out / f'{Path(image["file_name"]).stem}.png'
        visualizer.add_datasample(path.stem, picture, sample, draw_gt=True, draw_pred=True, draw_heatmap=False,
                                  kpt_thr=SCORE_THRESHOLD, out_file=str(path))
        written.append(path)
    return written


def _by_image(entries: Sequence[dict]) -> Dict[int, List[dict]]:
    grouped: Dict[int, List[dict]] = defaultdict(list)
    for entry in entries:
        grouped[entry['image_id']].append(entry)
    return grouped


def _instances(people: Sequence[dict]) -> InstanceData:
    """Joints of people (N, K, 2) in image px with their third number, a flag or a score, (N, K)."""
    joints = np.array([person['keypoints'] for person in people], dtype=np.float32).reshape(len(people), -1, 3)
    return InstanceData(keypoints=joints[..., :2], keypoints_visible=joints[..., 2], keypoint_scores=joints[..., 2])
