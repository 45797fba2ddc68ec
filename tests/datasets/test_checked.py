"""Data sets: MMPose's samples, and errors for files and lists that are not there."""
import json

import numpy as np
import pytest
from mmpose.datasets import datasets as mmpose_datasets

from rsn_mm import datasets
from rsn_mm.datasets import CocoDataset, CrowdPoseDataset, MpiiDataset


class TestSamples:

    @pytest.mark.parametrize('name, num_keypoints', [('CocoDataset', 17), ('CrowdPoseDataset', 14)])
    def test_are_mmposes(self, name, num_keypoints, tmp_path, coco_file):
        file = coco_file(tmp_path / 'a.json', num_keypoints)
        ours = getattr(datasets, name)(ann_file=file, pipeline=[])
        theirs = getattr(mmpose_datasets, name)(ann_file=file, pipeline=[])
        assert len(ours) == len(theirs) == 2
        for a, b in zip(ours, theirs):
            np.testing.assert_equal(dict(a, dataset=None), dict(b, dataset=None))
        np.testing.assert_equal(ours.metainfo, theirs.metainfo)

    def test_lists_belong_to_one_sample(self, tmp_path, coco_file):
        data = CocoDataset(ann_file=coco_file(tmp_path / 'a.json'), pipeline=[])
        first, before = data[0], data[1]
        first['flip_indices'].clear()
        first['skeleton_links'][0] = None
        np.testing.assert_equal(dict(data[1], dataset=None), dict(before, dataset=None))
        assert data[0]['flip_indices'] == before['flip_indices']

    def test_mpii(self, tmp_path, mpii_file):
        assert len(MpiiDataset(ann_file=mpii_file(tmp_path / 'a.json'), pipeline=[])) == 2

    def test_annotated_boxes_without_a_box_file(self, tmp_path, coco_file):
        data = CocoDataset(ann_file=coco_file(tmp_path / 'a.json'), bbox_file=None, test_mode=True, pipeline=[])
        assert len(data) == 2

    def test_detected_boxes(self, tmp_path, coco_file):
        boxes = tmp_path / 'boxes.json'
        boxes.write_text(json.dumps([dict(image_id=1, category_id=1, bbox=[1., 2., 3., 4.], score=.5)] * 3))
        data = CocoDataset(ann_file=coco_file(tmp_path / 'a.json'), bbox_file=str(boxes), test_mode=True, pipeline=[])
        assert [d['bbox_score'].item() for d in data] == [.5] * 3


class TestMissingFiles:

    @pytest.mark.parametrize('kind', [CocoDataset, CrowdPoseDataset, MpiiDataset])
    def test_annotation_file(self, kind, tmp_path):
        message = rf"ann_file='.*none\.json' of {kind.__name__} does not exist .*Set data_root.*--cfg-options"
        with pytest.raises(FileNotFoundError, match=message):
            kind(ann_file=str(tmp_path / 'none.json'), pipeline=[])

    def test_data_root_is_part_of_the_path(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=rf"ann_file='{tmp_path}/annotations/none\.json'"):
            CocoDataset(data_root=str(tmp_path), ann_file='annotations/none.json', pipeline=[])

    def test_box_file(self, tmp_path, coco_file):
        with pytest.raises(FileNotFoundError, match=r"bbox_file='.*none\.json' .*bbox_file=None to take the annotated"):
            CocoDataset(ann_file=coco_file(tmp_path / 'a.json'), bbox_file=str(tmp_path / 'none.json'), test_mode=True,
                        pipeline=[])

    def test_headbox_file(self, tmp_path, mpii_file):
        with pytest.raises(FileNotFoundError, match=r"headbox_file='.*none\.mat' .*headbox_file=None"):
            MpiiDataset(ann_file=mpii_file(tmp_path / 'a.json'), headbox_file=str(tmp_path / 'none.mat'),
                        test_mode=True, pipeline=[])

    def test_folder_is_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='does not exist'):
            CocoDataset(ann_file=str(tmp_path), pipeline=[])


class TestEmpty:

    @pytest.mark.parametrize('changes', [
        dict(num_people=0),
        dict(iscrowd=1),
        dict(bbox=[10., 20., 0., 0.]),
        dict(keypoints=[0.] * 51),
    ], ids=['nobody', 'crowds', 'no box', 'no joints'])
    @pytest.mark.parametrize('test_mode', [False, True])
    def test_no_person_is_left(self, changes, test_mode, tmp_path, coco_file):
        file = coco_file(tmp_path / 'a.json', **changes)
        with pytest.raises(ValueError, match=r"CocoDataset cannot use '.*a\.json': no person in it has a box"):
            CocoDataset(ann_file=file, test_mode=test_mode, pipeline=[])

    def test_mpii(self, tmp_path, mpii_file):
        with pytest.raises(ValueError, match='MpiiDataset cannot use .*: no person in it'):
            MpiiDataset(ann_file=mpii_file(tmp_path / 'a.json', num_people=0), pipeline=[])


class TestMpiiCountsFromZero:
    """The file counts pixels from 1; the metric adds 1 to predictions and compares with the file."""

    def test_in_training(self, tmp_path, mpii_file):
        person = MpiiDataset(ann_file=mpii_file(tmp_path / 'a.json'), pipeline=[])[0]
        np.testing.assert_array_equal(person['keypoints'][0], [[29. + i, 39.] for i in range(16)])

    def test_not_in_test_mode(self, tmp_path, mpii_file):
        person = MpiiDataset(ann_file=mpii_file(tmp_path / 'a.json'), test_mode=True, pipeline=[])[0]
        np.testing.assert_array_equal(person['keypoints'][0], [[30. + i, 40.] for i in range(16)])
