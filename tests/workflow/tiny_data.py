"""Tiny data sets in the annotation formats of MMPose's data sets, so that its shipped configs run as they are."""
import json
from pathlib import Path
from typing import Any, Dict, List, Optional

import cv2
import numpy as np
from mmengine.config import ConfigDict

PICTURES = 4
WIDTH, HEIGHT = 176, 208
# Joints of each part in the files of COCO-WholeBody, whose `keypoints` are the 17 of COCO.
PARTS = {'foot': 6, 'face': 68, 'lefthand': 21, 'righthand': 21}
WHOLE_BODY, BODY = 133, 17


class TinyData:
    """One folder of pictures, and one annotation file for each class of data sets.

    :meth:`localise` points a data set of a config to them, and notes which file of the config became which.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.pictures = self.folder / 'pictures'
        self.files: Dict[str, str] = {}
        self.rng = np.random.default_rng(0)
        self.pictures.mkdir(parents=True, exist_ok=True)
        for number in range(1, PICTURES + 1):
            noise = self.rng.integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
            cv2.imwrite(str(self.picture(number)), cv2.resize(noise, (WIDTH, HEIGHT)))

    def picture(self, number: int) -> Path:
        return self.pictures / f'{number:06d}.jpg'

    def localise(self, dataset: ConfigDict, samples: Optional[int] = None) -> None:
        """``samples``: at most so many of each data set that is combined with others."""
        if dataset.type.endswith('CombinedDataset'):
            for part in dataset.datasets:  # enough for two iterations, not more
                self.localise(part, -(-PICTURES // len(dataset.datasets)))
            dataset.pop('sample_ratio_factor', None)  # a third of one sample is none
            return
        if 'dataset' in dataset:  # RepeatDataset
            dataset.times = 1
            self.localise(dataset.dataset, samples)
            return
        root = dataset.pop('data_root', '')
        kind = dataset.type.split('.')[-1]
        name = f'{kind}{dataset.get("subset", "")}.json'
        for key, file in (('ann_file', name), ('bbox_file', 'detections.json'), ('headbox_file', 'headboxes.mat'),
                          ('camera_param_file', 'cameras.json'), ('joint_file', 'joints.json')):
            if dataset.get(key):
                self.files[_joined(root, dataset[key])] = self.files[dataset[key]] = dataset[key] = str(self.folder / file)
        self._write(kind, self.folder / name, dataset)
        dataset.data_prefix = dict(img=f'{self.pictures}/')
        dataset.pop('sample_interval', None)
        if samples is not None:
            dataset.indices = samples

    def localise_evaluator(self, evaluator: Any) -> None:
        """Annotation files that metrics read: those of the data sets that are localised already."""
        for metric in evaluator if isinstance(evaluator, list) else [evaluator]:
            if metric.get('ann_file'):
                metric.ann_file = self.files.get(metric.ann_file, metric.ann_file)
            self.localise_evaluator(metric.get('metrics', []))

    def _write(self, kind: str, file: Path, dataset: ConfigDict) -> None:
        if file.is_file():
            return
        from mmpose.registry import DATASETS
        cls = DATASETS.get(kind)
        if cls is None:
            raise KeyError(f'{kind} is not in the dataset registry')
        if 'subset' in dataset:  # DeepFashion has a list of joints for each
            cls._check_subset_and_metainfo(dataset.subset)
        num_joints = cls._load_metainfo()['num_keypoints']
        people = [self._person(number, num_joints) for number in range(1, PICTURES + 1)]
        if kind == 'MpiiDataset':
            content: Any = [self._of_mpii(person) for person in people]
        else:
            images = [dict(id=number, file_name=self.picture(number).name, width=WIDTH, height=HEIGHT, crowdIndex=0.,
                           frame_id=number, nframes=PICTURES, vid_id='1', capture=0, camera='1', frame_idx=number)
                      for number in range(1, PICTURES + 1)]
            category = dict(id=1, name='person', supercategory='person', keypoints=[str(i) for i in range(num_joints)],
                            skeleton=[])
            content = dict(info={}, images=images, annotations=people, categories=[category])
        file.write_text(json.dumps(content))
        self._write_beside(people, num_joints)

    def _person(self, number: int, num_joints: int) -> Dict[str, Any]:
        x, y, w, h = 20. + number, 15., 130., 170.

        def joints(count: int) -> List[float]:
            points = np.array([x, y]) + np.array([w, h]) * self.rng.uniform(.05, .95, (count, 2))
            return np.column_stack([points.round(1), np.full(count, 2)]).ravel().tolist()

        box = [x, y, w, h]
        person = dict(
            id=number, image_id=number, category_id=1, bbox=box, area=w * h * .5, iscrowd=0, num_keypoints=num_joints,
            keypoints=joints(BODY if num_joints == WHOLE_BODY else num_joints),
            segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]], center=[x + w / 2, y + h / 2], scale=h / 200,
            box_size=150., head_size=30., headbox=[x, y, x + 30, y + 30],
            keypoints_21=joints(21),
            hand_type='interacting', hand_type_valid=1, joint_valid=[[1]] * num_joints, capture=0, track_id=number)
        for part, count in PARTS.items():
            person.update({f'{part}_kpts': joints(count), f'{part}_valid': True, f'{part}_box': box})
        return person

    def _of_mpii(self, person: Dict[str, Any]) -> Dict[str, Any]:
        joints = np.reshape(person['keypoints'], (-1, 3))
        return dict(image=self.picture(person['image_id']).name, center=person['center'], scale=person['scale'],
                    joints=joints[:, :2].tolist(), joints_vis=[1] * len(joints))

    def _write_beside(self, people: List[Dict[str, Any]], num_joints: int) -> None:
        """Detections, head boxes of MPII, cameras and world coordinates of InterHand."""
        from scipy.io import savemat
        found = [dict(image_id=person['image_id'], category_id=1, bbox=person['bbox'], score=.9) for person in people]
        (self.folder / 'detections.json').write_text(json.dumps(found))
        corners = np.array([np.reshape(person['headbox'], (2, 2)) for person in people])
        savemat(self.folder / 'headboxes.mat', dict(headboxes_src=corners.transpose(1, 2, 0)))
        (self.folder / 'cameras.json').write_text(json.dumps({'0': dict(
            campos={'1': [0., 0., 0.]}, camrot={'1': np.eye(3).tolist()}, focal={'1': [200., 200.]},
            princpt={'1': [WIDTH / 2, HEIGHT / 2]})}))
        world = self.rng.uniform(-80, 80, (PICTURES, num_joints, 3)) + [0, 0, 400]
        (self.folder / 'joints.json').write_text(json.dumps({'0': {
            str(number): dict(world_coord=points.tolist(), joint_valid=[[1]] * num_joints)
            for number, points in enumerate(world, 1)}}))


def _joined(root: str, file: str) -> str:
    return f'{root.rstrip("/")}/{file}' if root else file
