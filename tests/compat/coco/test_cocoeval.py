"""COCO evaluation: against stored answers of xtcocotools, and against numbers derived by hand."""
import copy
import gzip
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from rsn_mm.compat.coco.coco import COCO
from rsn_mm.compat.coco.cocoeval import COCO_SIGMAS, COCOeval

_SCRIPT = Path(__file__).parents[2] / 'data' / 'make_xtcocotools_reference.py'
_SPEC = importlib.util.spec_from_file_location('make_xtcocotools_reference', _SCRIPT)
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)


@pytest.fixture(scope='module')
def answers():
    return json.loads(gzip.decompress(reference.REFERENCE.read_bytes()))


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


def evaluation(gt, results, *args):
    coco = COCO(ann_data=gt)
    evaluated = COCOeval(coco, coco.loadRes(results), *args)
    evaluated.evaluate()
    evaluated.accumulate()
    return evaluated


class TestAgainstXtcocotools:

    @pytest.mark.filterwarnings("ignore:'.*_score' not found")
    @pytest.mark.parametrize('name', reference.CASES)
    def test_case(self, name, answers):
        ours, theirs = reference.evaluate(reference.CASES[name], COCO, COCOeval), answers[name]
        np.testing.assert_allclose(ours['stats'], theirs['stats'], rtol=0, atol=1e-9)
        assert ours['matches'] == theirs['matches']
        assert [entry[:2] for entry in ours['similarity']] == [entry[:2] for entry in theirs['similarity']]
        for (*_, our_matrix), (*_, their_matrix) in zip(ours['similarity'], theirs['similarity']):
            np.testing.assert_allclose(our_matrix, their_matrix, rtol=0, atol=2e-9)

        def of_interest(lines):
            return [line for line in lines if line.startswith((' Average', 'Evaluate'))]

        assert of_interest(ours['stdout']) == of_interest(theirs['stdout'])

    def test_every_case_has_an_answer(self, answers):
        assert list(answers) == list(reference.CASES)


class TestCOCOeval:

    def test_perfect_result(self):
        gt = person()
        evaluated = evaluation(dataset(gt), [result(gt)])
        evaluated.summarize()
        # 3,000 pixels squared is a medium object; there is no large one.
        np.testing.assert_allclose(evaluated.stats, [1, 1, 1, 1, -1, 1, 1, 1, 1, -1], atol=1e-12)

    @pytest.mark.parametrize('number', [0, -1, -7])
    def test_any_integer_is_an_id(self, number, capsys):
        gt = person(id=number)
        evaluated = evaluation(dataset(gt), [result(gt)], 'keypoints')
        evaluated.summarize()
        assert evaluated.stats[0] == pytest.approx(1) and evaluated.evalImgs[0]['dtMatches'][0, 0] == number

    def test_sigmas_matter(self):
        gt = person()
        shifted = result(gt)
        shifted['keypoints'][0::3] = [x + 6 for x in shifted['keypoints'][0::3]]
        strict = evaluation(dataset(gt), [copy.deepcopy(shifted)], 'keypoints', [.01] * 17).ious[1, 1]
        lax = evaluation(dataset(gt), [shifted], 'keypoints', [.1] * 17).ious[1, 1]
        np.testing.assert_allclose([strict.item(), lax.item()],
                                   [np.exp(-36 / (2 * 3000 * s**2)) for s in (.02, .2)], rtol=1e-9)

    def test_use_area_matters(self):
        gt = person()
        box_area = 50 * 100 * .53
        for use_area, area in ((True, 3000.), (False, box_area)):
            moved = result(gt)
            moved['keypoints'][1::3] = [y + 5 for y in moved['keypoints'][1::3]]
            oks = evaluation(dataset(gt), [moved], 'keypoints', [.05] * 17, use_area).ious[1, 1].item()
            assert oks == pytest.approx(np.exp(-25 / (2 * area * .1**2)), rel=1e-9)

    def test_area_may_be_missing_although_it_is_used(self):
        gt = person()
        del gt['area']
        with_area = evaluation(dataset(gt), [result(gt)], 'keypoints', None, True)
        assert with_area.ious[1, 1].item() == 1

    def test_annotations_and_results_stay_as_they_are(self):
        coco = COCO(ann_data=dataset(person(), person(id=2, iscrowd=1)))
        results = coco.loadRes([result(person())])
        before = copy.deepcopy((coco.dataset, results.dataset))
        evaluated = COCOeval(coco, results, 'keypoints_body')
        evaluated.evaluate()
        assert (coco.dataset, results.dataset) == before

    def test_part_score_is_preferred_and_its_absence_told(self):
        gt = person(foot_kpts=[120., 290., 2.] * 6)
        results = [result(gt, foot_kpts=gt['foot_kpts'], foot_score=.2)]
        assert evaluation(dataset(gt), results, 'keypoints_foot', [.1] * 6).evalImgs[0]['dtScores'] == [.2]
        results = [result(gt, foot_kpts=gt['foot_kpts'])]
        with pytest.warns(UserWarning, match="'foot_score' not found, use 'score' instead"):
            evaluated = evaluation(dataset(gt), results, 'keypoints_foot', [.1] * 6)
        assert evaluated.evalImgs[0]['dtScores'] == [.9]

    def test_crowd_summary_leaves_the_evaluation_of_all_images(self):
        gt = dataset(person(), crowdIndex=.1)
        gt['images'].append(dict(id=2, width=640, height=480, crowdIndex=.8))
        gt['annotations'].append(person(id=2, image_id=2))
        evaluated = evaluation(gt, [result(person())], 'keypoints_crowd')
        everything = evaluated.eval['precision'].copy()
        evaluated.summarize()
        np.testing.assert_array_equal(evaluated.stats[6:], [1, -1, 0])  # .8 is hard already
        np.testing.assert_array_equal(evaluated.eval['precision'], everything)
        assert [entry['image_id'] for entry in evaluated.evalImgs[:2]] == evaluated.params.imgIds == [1, 2]

    @pytest.mark.parametrize('iou_type, ignored', [('keypoints', 0), ('keypoints_crowd', 1)])
    def test_crowdpose_ignores_persons_by_num_keypoints(self, iou_type, ignored):
        occluded = [1 if i % 3 == 2 else value for i, value in enumerate(person()['keypoints'])]
        gt = person(keypoints=occluded, num_keypoints=0)
        assert evaluation(dataset(gt), [result(gt)], iou_type).evalImgs[0]['gtIgnore'].tolist() == [ignored]

    def test_crowd_without_crowd_index(self):
        evaluated = evaluation(dataset(person()), [result(person())], 'keypoints_crowd')
        with pytest.raises(ValueError, match='crowdIndex in each image.*image 1 has none'):
            evaluated.summarize()

    @pytest.mark.parametrize('iou_type', ['keypoints_tail', '', None])
    def test_unknown_iou_type(self, iou_type):
        with pytest.raises(ValueError, match='is not an evaluation. Give one of segm, bbox, keypoints,'):
            COCOeval(None, None, iou_type)

    def test_wrong_number_of_sigmas(self):
        with pytest.raises(ValueError, match='sigmas has 14 values, but keypoints of .* has 51 numbers where 42'):
            evaluation(dataset(person()), [result(person())], 'keypoints', COCO_SIGMAS[:14])

    def test_use_segm_asks_for_boxes(self):
        coco = COCO(ann_data=dataset(person()))
        evaluated = COCOeval(coco, coco.loadRes([result(person())]))
        evaluated.params.useSegm = 0
        evaluated.evaluate()
        assert evaluated.ious[1, 1].item() == 32 * 80 / (50 * 100)

    def test_area_that_was_not_evaluated(self):
        coco = COCO(ann_data=dataset(person()))
        evaluated = COCOeval(coco, coco.loadRes([result(person())]))
        evaluated.params.areaRng, evaluated.params.areaRngLbl = evaluated.params.areaRng[:1], ['all']
        evaluated.evaluate()
        evaluated.accumulate()
        evaluated.summarize()
        np.testing.assert_allclose(evaluated.stats, [1, 1, 1, -1, -1] * 2, atol=1e-12)

    def test_summary_before_accumulation(self):
        with pytest.raises(RuntimeError, match=r'call evaluate\(\) and accumulate\(\) first'):
            COCOeval().summarize()
