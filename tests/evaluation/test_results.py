"""Result files, pose score and OKS-NMS."""
import json

import numpy as np
import pytest

from rsn_mm.evaluation import Pose, coco_metrics, pose_score, read_results, suppress, write_results
from rsn_mm.evaluation.results import image_ids, keypoint_sigmas
from rsn_mm.files import replacing

SIGMAS = keypoint_sigmas('coco')
JOINTS = np.random.default_rng(0).uniform(0, 100, (17, 2))


def pose(image_id=1, shift=0., score=.5, **more) -> Pose:
    joints = np.column_stack([JOINTS + shift, np.linspace(.5, 1.5, 17)])
    return Pose(image_id, 1, joints, score, 1e4, **more)


class TestFiles:

    def test_what_is_written_is_read(self, tmp_path):
        poses = [pose(score=.25), pose(image_id=2, shift=1 / 3)]
        write_results(tmp_path / 'new' / 'folder' / 'out.json', poses)
        read = read_results(tmp_path / 'new' / 'folder' / 'out.json')
        for mine, theirs in zip(read, poses, strict=True):
            np.testing.assert_array_equal(mine.keypoints, theirs.keypoints)
            assert (mine.image_id, mine.category_id, mine.score) == (theirs.image_id, 1, theirs.score)
            assert mine.area == pytest.approx(np.prod(JOINTS.max(axis=0) - JOINTS.min(axis=0)))

    def test_keys_of_the_server_alone(self, tmp_path):
        write_results(tmp_path / 'out.json', [pose(box=(1., 2., 3., 4.), id=5)])
        entry, = json.loads((tmp_path / 'out.json').read_text())
        assert set(entry) == {'image_id', 'category_id', 'keypoints', 'score'} and len(entry['keypoints']) == 51

    def test_nobody(self, tmp_path):
        write_results(tmp_path / 'out.json', [])
        assert read_results(tmp_path / 'out.json') == []

    def test_failure_leaves_what_was_there(self, tmp_path):
        (tmp_path / 'out.json').write_text('old')
        with pytest.raises(ValueError):
            write_results(tmp_path / 'out.json', [pose(), pose(score=float('nan'))])
        with pytest.raises(KeyError), replacing(tmp_path / 'out.json') as file:
            file.write(b'half')
            raise KeyError
        assert [path.name for path in tmp_path.iterdir()] == ['out.json']
        assert (tmp_path / 'out.json').read_text() == 'old'

    @pytest.mark.parametrize('content, message', [
        ('{"annotations": []}', r'must be a JSON list .*An annotation file is'),
        ('[1]', 'must be a JSON list'),
        ('[{"image_id": 1', "bad.json' is not a result file: it is no whole JSON"),
        pytest.param('[' * 10**5, "bad.json' is not a result file: it is nested too deeply", id='nested'),
        ('[{"image_id": 1, "keypoints": [1, 2, 3]}]', r"Entry 0 of '.*' lacks category_id, score"),
        ('[{"image_id": 1, "category_id": 1, "score": 1, "keypoints": [1, 2]}]', r'keypoints of shape \(2,\)'),
        ('[{"image_id": 1, "category_id": 1, "score": 1, "keypoints": []}]', r'keypoints of shape \(0,\)'),
        ('[{"image_id": 1, "category_id": 1, "score": 1, "keypoints": [[1, 2, 3]]}]', r'keypoints of shape \(1, 3\)'),
        ('[{"image_id": 1, "category_id": 1, "score": "high", "keypoints": [1, 2, 3]}]', 'not numbers'),
        ('[{"image_id": 1, "category_id": 1, "score": NaN, "keypoints": [1, 2, 3]}]', 'not finite'),
    ])
    def test_no_result_file(self, tmp_path, content, message):
        (tmp_path / 'bad.json').write_text(content)
        with pytest.raises(ValueError, match=message):
            read_results(tmp_path / 'bad.json')

    @pytest.mark.parametrize('changes, message', [
        (dict(image_id=[1]), r'image_id \[1\]\. Write integers'),
        (dict(image_id={}), r'image_id \{\}\. Write integers'),
        (dict(image_id='1'), r"image_id '1'\. Write integers"),
        (dict(image_id=1.), r'image_id 1\.0\. Write integers'),
        (dict(image_id=True), r'image_id True\. Write integers'),
        (dict(score=10**400), 'a score, keypoints .* not numbers .*too large'),
        (dict(keypoints=[1, 2, 10**400]), 'a score, keypoints .* not numbers .*too large'),
        (dict(category_id=None), r'category_id None\. Write integers'),
        (dict(id=[3]), r'id \[3\]\. Write integers'),
        (dict(bbox=[1, 2, 3]), 'bbox of 3 numbers: x, y, width and height'),
        (dict(bbox={}), 'a bbox that are not numbers .*of the box'),
        (dict(bbox=[1, 2, 3, [4]]), 'a bbox that are not numbers'),
        (dict(bbox=[1, 2, 3, 10**400]), 'a bbox that are not numbers'),
        (dict(bbox=[1, 2, 3, None]), 'not finite'),
    ])
    def test_values_of_other_types(self, tmp_path, changes, message):
        good = dict(image_id=1, category_id=1, keypoints=[1, 2, 3], score=1., id=None, bbox=[[1, 2, 3, 4]])
        (tmp_path / 'bad.json').write_text(json.dumps([good, {**good, **changes}]))
        with pytest.raises(ValueError, match=rf"Entry 1 of '.*bad\.json' has .*{message}"):
            read_results(tmp_path / 'bad.json')
        (tmp_path / 'good.json').write_text(json.dumps([good]))
        assert read_results(tmp_path / 'good.json')[0].box == (1., 2., 3., 4.)

    @pytest.mark.parametrize('content', [
        '[', pytest.param('[' * 10**5, id='nested'), '[]', '{}', '{"images": 1}', '{"images": [1]}', '{"images": [{}]}',
        '{"images": [{"id": [1]}]}'])
    def test_no_annotation_file(self, tmp_path, content):
        (tmp_path / 'bad.json').write_text(content)
        with pytest.raises(ValueError, match=r"bad\.json' is not an annotation file: .*integer id"):
            image_ids(tmp_path / 'bad.json')

    def test_joints_of_different_numbers(self, tmp_path):
        poses = [pose(), Pose(1, 1, np.zeros((14, 3)), 1., 1.)]
        write_results(tmp_path / 'out.json', poses)
        with pytest.raises(ValueError, match=r'different numbers of joints: \[14, 17\]'):
            read_results(tmp_path / 'out.json')

    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"none\.json' does not exist"):
            read_results(tmp_path / 'none.json')


def test_perfect_results_have_an_ap_of_one(tmp_path, coco_file):
    path = coco_file(tmp_path / 'coco.json', num_people=1)
    joints = np.array(json.loads((tmp_path / 'coco.json').read_text())['annotations'][0]['keypoints']).reshape(-1, 3)
    write_results(tmp_path / 'out.json', [Pose(1, 1, joints.astype(float), .9, 1.)])
    metrics = coco_metrics(tmp_path / 'out.json', path, SIGMAS)
    assert metrics['AP'] == pytest.approx(1) and len(metrics) == 10
    assert image_ids(path) == [1]


class TestPoseScore:

    def test_mean_times_box(self):
        assert pose_score(np.array([.5, 1., 1.5], np.float32), .5) == pytest.approx(.5)

    def test_low_scores_count(self):
        """The plain mean of the paper, whatever the joint's score."""
        assert pose_score(np.array([0., 1.]), 1.) == .5


class TestSuppress:

    def test_the_better_of_two_alike(self):
        poses = [pose(score=.4), pose(shift=.5, score=.6), pose(shift=60., score=.1), pose(image_id=2, score=.2)]
        kept = suppress(poses, 'oks_nms', .9, SIGMAS)
        assert [(p.image_id, p.score) for p in kept] == [(1, .6), (1, .1), (2, .2)]

    def test_threshold(self):
        poses = [pose(score=.4), pose(shift=3., score=.6)]
        assert len(suppress(poses, 'oks_nms', .99, SIGMAS)) == 2
        assert len(suppress(poses, 'oks_nms', .5, SIGMAS)) == 1

    def test_soft(self):
        poses = [pose(shift=i, score=1 - i / 100) for i in range(30)]
        kept = suppress(poses, 'soft_oks_nms', .9, SIGMAS)
        assert len(kept) == 20 and kept[0].score == 1

    def test_none(self):
        poses = [pose(), pose()]
        assert suppress(poses, 'none', .9, SIGMAS) == poses

    @pytest.mark.parametrize('mode', ['none', 'oks_nms', 'soft_oks_nms'])
    def test_nobody(self, mode):
        assert suppress([], mode, .9, SIGMAS) == []

    @pytest.mark.parametrize('arguments, message', [
        (('nms', .9, SIGMAS), "mode='nms' is not known: give one of 'none', 'oks_nms', 'soft_oks_nms'"),
        (('oks_nms', 0., SIGMAS), r'threshold=0\.0 is not an OKS'),
        (('oks_nms', 1.1, SIGMAS), r'threshold=1\.1 is not an OKS'),
        (('oks_nms', .9, keypoint_sigmas('crowdpose')), 'poses have 17 joints, but OKS is given 14 constants'),
    ])
    def test_wrong_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            suppress([pose()], *arguments)
