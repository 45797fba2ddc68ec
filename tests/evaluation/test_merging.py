"""Merged result files: who is who, averages, scores, and errors that write nothing."""
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rsn_mm.evaluation import apis, merge_results
from rsn_mm.evaluation.results import keypoint_sigmas

from .. import warm

SIGMAS = keypoint_sigmas('coco')
TOOL = Path(__file__).parents[2] / 'tools' / 'merge_results.py'
ANNA = np.random.default_rng(0).uniform(0, 100, (17, 2))
BERT = ANNA + 300


def merged(*files, **arguments):
    return merge_results(files, sigmas=SIGMAS, **arguments)


class TestAverages:

    @pytest.mark.parametrize('match', ['oks', 'bbox', 'id'])
    def test_twice_the_same_file(self, result_file, tmp_path, match):
        path = result_file('a.json', [(1, ANNA, .7), (1, BERT, .3), (2, ANNA, 1 / 3)], id=[1, 2, 3],
                           bbox=[[0., 0., 1., 1.], [2., 2., 1., 1.], [0., 0., 1., 1.]])
        apis.merge([path, path], tmp_path / 'out.json', match=match)
        once, twice = json.loads(path.read_text()), json.loads((tmp_path / 'out.json').read_text())
        for before, after in zip(once, twice, strict=True):
            assert after == {key: before[key] for key in ('image_id', 'category_id', 'keypoints', 'score')}

    @pytest.mark.parametrize('match', ['oks', 'bbox', 'id'])
    def test_means(self, result_file, match):
        keys = dict(id=[1], bbox=[[0., 0., 9., 9.]])
        a = result_file('a.json', [(1, ANNA, .6)], **keys)
        b = result_file('b.json', [(1, ANNA + [2., 4.], .2)], **keys)
        person, = merged(a, b, match=match)
        np.testing.assert_allclose(person.keypoints[:, :2], ANNA + [1., 2.])
        assert person.score == pytest.approx(.4) and (person.keypoints[:, 2] == 1).all()

    def test_the_papers_score_survives(self, tmp_path):
        """Same box: the mean of the pose scores is the mean joint score of the average times the box score."""
        rng, files, box_score = np.random.default_rng(1), [], .8
        for name in 'ab':
            joints = np.column_stack([ANNA, rng.uniform(.5, 1.5, 17)])
            files.append(tmp_path / f'{name}.json')
            files[-1].write_text(json.dumps([dict(image_id=1, category_id=1, keypoints=joints.ravel().tolist(),
                                                  score=joints[:, 2].mean() * box_score)]))
        person, = merged(*files)
        assert person.score == pytest.approx(person.keypoints[:, 2].mean() * box_score)

    def test_a_person_that_one_file_lacks(self, result_file):
        a = result_file('a.json', [(1, ANNA, .6), (1, BERT, .9)])
        b = result_file('b.json', [(1, ANNA, .4)])
        bert, anna = merged(a, b)
        np.testing.assert_array_equal(bert.keypoints[:, :2], BERT)
        assert (bert.score, anna.score) == (pytest.approx(.45), pytest.approx(.5))


class TestMatchByOks:

    def test_order_in_the_files_does_not_matter(self, result_file):
        a = result_file('a.json', [(1, ANNA, .6), (1, BERT, .9)])
        b = result_file('b.json', [(1, BERT + 1, .5), (1, ANNA + 1, .4)])
        persons = merged(a, b)
        assert [person.score for person in persons] == [pytest.approx(.7), pytest.approx(.5)]
        np.testing.assert_allclose(persons[0].keypoints[:, :2], BERT + .5)

    def test_two_poses_of_one_file_stay_apart(self, result_file):
        """Even where they overlap: that is for NMS."""
        a = result_file('a.json', [(1, ANNA, .9), (1, ANNA + .5, .8)])
        b = result_file('b.json', [(1, ANNA + .1, .7)])
        persons = merged(a, b)
        assert [person.score for person in persons] == [pytest.approx(.8), pytest.approx(.4)]

    def test_the_nearest_not_the_first(self, result_file):
        a = result_file('a.json', [(1, ANNA, .9), (1, ANNA + 4, .8)])
        b = result_file('b.json', [(1, ANNA + 4, .7)])
        assert [person.score for person in merged(a, b, threshold=.1)] == [pytest.approx(.45), pytest.approx(.75)]

    def test_threshold(self, result_file):
        a, b = (result_file(f'{name}.json', [(1, ANNA + shift, .5)]) for name, shift in (('a', 0), ('b', 5)))
        assert [len(merged(a, b, threshold=threshold)) for threshold in (.5, 1.)] == [1, 2]

    def test_images_are_not_mixed(self, result_file):
        a = result_file('a.json', [(1, ANNA, .5), (2, ANNA, .5)])
        assert [person.image_id for person in merged(a, a)] == [1, 2]


class TestRefused:

    def test_other_images(self, result_file, tmp_path):
        a, b = result_file('a.json', [(1, ANNA, .5)]), result_file('b.json', [(7, ANNA, .5)])
        with pytest.raises(ValueError, match=r"b\.json' is a result file for other images than '.*a\.json': it has 1 .*\(for "
                                             r'example 7\)'):
            apis.merge([a, b], tmp_path / 'new' / 'out.json')
        assert not (tmp_path / 'new').exists()

    def test_images_that_are_not_in_the_annotations(self, result_file, tmp_path, coco_file):
        truth = coco_file(tmp_path / 'coco.json')
        good, bad = result_file('a.json', [(1, ANNA, .5)]), result_file('b.json', [(1, ANNA, .5), (7, ANNA, .5)])
        out = tmp_path / 'out.json'
        with pytest.raises(ValueError, match=r"b\.json' is a result file for other images: 1 of its 2 .*\(for example 7\)"):
            apis.merge([good, bad], out, images=truth)
        assert not out.exists()

    def test_image_without_people_is_fine_if_it_is_known(self, result_file):
        a, b = result_file('a.json', [(1, ANNA, .5), (2, ANNA, .5)]), result_file('b.json', [(1, ANNA, .5)])
        with pytest.raises(ValueError, match='other images than .* lacks 1 .*name the annotation file'):
            merged(a, b)
        assert [person.score for person in merged(a, b, images={1, 2, 3})] == [.5, .25]

    def test_other_joints(self, result_file):
        a, b = result_file('a.json', [(1, ANNA, .5)]), result_file('b.json', [(1, ANNA[:14], .5)])
        with pytest.raises(ValueError, match=r"different joints: 17 in '.*a\.json', 14 in '.*b\.json'"):
            merged(a, b)

    def test_constants_of_another_data_set(self, result_file):
        a = result_file('a.json', [(1, ANNA, .5)])
        with pytest.raises(ValueError, match='17 joints, but OKS is given 14'):
            merge_results([a, a], sigmas=keypoint_sigmas('crowdpose'))

    @pytest.mark.parametrize('match', ['bbox', 'id'])
    def test_persons_without_what_matches(self, result_file, match):
        a = result_file('a.json', [(1, ANNA, .5)])
        with pytest.raises(ValueError, match=f"a.json' has persons without '{match}'.*match='oks'"):
            merged(a, a, match=match)

    def test_same_id_twice(self, result_file):
        a = result_file('a.json', [(1, ANNA, .5), (1, BERT, .5)], id=[4, 4])
        with pytest.raises(ValueError, match="several persons of one image with the same 'id'"):
            merged(a, a, match='id')

    @pytest.mark.parametrize('arguments, message', [
        (dict(match='name'), "match='name' is not known: give one of 'oks', 'bbox', 'id'"),
        (dict(threshold=0.), r'threshold=0\.0 is not an OKS'),
        (dict(sigmas=None), "sigmas=None, but match='oks'"),
    ])
    def test_wrong_arguments(self, result_file, arguments, message):
        a = result_file('a.json', [(1, ANNA, .5)])
        with pytest.raises(ValueError, match=message):
            merge_results([a, a], **dict(dict(sigmas=SIGMAS), **arguments))

    @pytest.mark.parametrize('match', ['oks', 'bbox', 'id'])
    @pytest.mark.parametrize('changes', [dict(image_id=[1]), dict(id={}), dict(id='a'), dict(bbox=[0, 0, [1]]), dict(bbox={})])
    def test_what_identifies_nobody(self, result_file, tmp_path, match, changes):
        path = result_file('a.json', [(1, ANNA, .5)], id=[4], bbox=[[0., 0., 1., 1.]])
        entry, = json.loads(path.read_text())
        (tmp_path / 'b.json').write_text(json.dumps([{**entry, **changes}]))
        with pytest.raises(ValueError, match=r"Entry 0 of '.*b\.json' has .* Write "):
            merged(path, tmp_path / 'b.json', match=match)

    def test_one_file(self, result_file):
        with pytest.raises(ValueError, match='at least two result files'):
            merged(result_file('a.json', [(1, ANNA, .5)]))


def test_nobody(result_file, tmp_path, coco_file):
    nobody = result_file('a.json', [])
    assert merged(nobody, nobody) == []
    assert apis.merge([nobody, nobody], tmp_path / 'out.json', annotations=coco_file(tmp_path / 'coco.json')) == []
    assert (tmp_path / 'out.json').read_text() == '[]'


def test_tool(result_file, tmp_path, coco_file):
    a = result_file('a.json', [(1, ANNA, .5), (1, ANNA, .4)])
    command = [warm.python(), str(TOOL), str(a), str(a), '--out', str(tmp_path / 'out.json'), '--nms', 'oks_nms',
               '--annotations', coco_file(tmp_path / 'coco.json')]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert len(json.loads((tmp_path / 'out.json').read_text())) == 1 and 'AP  ' in run.stdout
