"""COCO annotation files, result files and masks."""
import json

import numpy as np
import pytest

from rsn_mm.compat.coco import mask
from rsn_mm.compat.coco.coco import COCO


def person(**changes):
    """One person of 50 x 100 pixels with all 17 joints labelled, as an annotation."""
    joints = [[110 + 2 * i, 210 + 5 * i, 2] for i in range(17)]
    ann = dict(id=1, image_id=1, category_id=1, bbox=[100., 200., 50., 100.], area=3000., num_keypoints=17,
               keypoints=np.reshape(joints, -1).tolist())
    return dict(ann, **changes)


def dataset(*anns, **image):
    """Content of an annotation file with one image."""
    return dict(images=[dict(id=1, width=640, height=480, file_name='1.jpg', **image)], annotations=list(anns),
                categories=[dict(id=1, name='person', supercategory='living')])


def result(ann, **changes):
    """A result that repeats an annotation."""
    return dict(image_id=ann['image_id'], category_id=ann['category_id'], score=.9, keypoints=list(ann['keypoints']),
                **changes)


class TestCOCO:

    def test_iscrowd_has_a_default(self):
        coco = COCO(ann_data=dataset(person(), person(id=2, iscrowd=1)))
        assert coco.getAnnIds(iscrowd=False) == [1]

    def test_file(self, tmp_path):
        file = tmp_path / 'gt.json'
        file.write_text(json.dumps(dataset(person())))
        coco = COCO(str(file), test_index=[16, 0])
        assert coco.anno_file == [str(file)]
        assert coco.anns[1]['keypoints'] == [142, 290, 2, 110, 210, 2]

    def test_empty_object(self):
        assert COCO().dataset == {} and COCO().anno_file == [None]

    def test_area_range_includes_its_lower_end_only(self):
        coco = COCO(ann_data=dataset(person()))
        assert coco.getAnnIds(areaRng=[3000, 4000]) == [1]
        assert coco.getAnnIds(areaRng=[2000, 3000]) == []

    def test_category_by_name_takes_no_part_of_a_name(self):
        coco = COCO(ann_data=dataset())
        assert coco.getCatIds('person') == coco.getCatIds(supNms='living') == [1]
        assert coco.getCatIds('a person') == coco.getCatIds(supNms='living being') == []

    @pytest.mark.parametrize('nothing', [[], np.zeros((0, 7))])
    def test_empty_results(self, nothing):
        results = COCO(ann_data=dataset(person())).loadRes(nothing)
        assert isinstance(results, COCO)
        assert results.getAnnIds() == [] and results.getImgIds() == [1]

    def test_results_from_a_file(self, tmp_path):
        coco, file = COCO('gt.json', ann_data=dataset(person())), tmp_path / 'results.json'
        file.write_text(json.dumps([result(person())]))
        for name in (str(file), file):
            results = coco.loadRes(name)
            assert isinstance(results, COCO) and results.anns[1]['bbox'] == [110, 210, 32, 80]
        assert coco.anno_file == ['gt.json', str(file)]

    def test_results_from_memory(self):
        coco = COCO(ann_data=dataset(person()))
        assert coco.loadRes('not a file', [result(person())]).anns[1]['area'] == 32 * 80

    def test_results_from_an_array(self):
        results = COCO(ann_data=dataset(person())).loadRes(np.array([[1, 10, 20, 30, 40, .5, 1]]))
        assert results.anns[1]['bbox'] == [10, 20, 30, 40] and results.anns[1]['score'] == .5

    def test_result_of_another_dataset(self):
        with pytest.raises(AssertionError, match='do not correspond'):
            COCO(ann_data=dataset(person())).loadRes([result(person(image_id=7))])

    def test_mask(self):
        polygons = mask.frPyObjects([[2, 3, 6, 3, 6, 5, 2, 5]], 10, 20)
        expected = np.zeros((10, 20), dtype=np.uint8)
        expected[3:5, 2:6] = 1
        np.testing.assert_array_equal(mask.decode(mask.merge(polygons)), expected)
