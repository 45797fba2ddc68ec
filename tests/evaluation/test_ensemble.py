"""Ensembles: exact for copies of one model, the mean of the heatmaps otherwise, and errors before anything is written."""
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from rsn_mm.evaluation import apis, load_member, predict_together
from rsn_mm.evaluation.apis import ensemble
from rsn_mm.evaluation.ensemble import poses_of

from .. import warm

TOOL = Path(__file__).parents[2] / 'tools' / 'ensemble.py'


@pytest.fixture
def dump(tmp_path):
    """A config as a file, as on the command line."""

    def write(config, name: str) -> str:
        path = tmp_path / f'{name}.py'
        config.dump(path)
        return str(path)

    return write


class TestOneModel:

    def test_twice_is_the_single_model(self, tiny, tmp_path):
        model = tiny()
        once = ensemble([model], tmp_path / 'once.json')
        twice = ensemble([model, model], tmp_path / 'twice.json')
        assert len(once) == len(twice) >= 4
        assert (tmp_path / 'once.json').read_bytes() == (tmp_path / 'twice.json').read_bytes()

    def test_once_is_what_mmpose_writes(self, tiny, tmp_path):
        """Same joints and pose scores as Runner.test with CocoMetric, which runs a fused copy and so rounds elsewhere."""
        config, checkpoint = tiny()
        ensemble([(config, checkpoint)], tmp_path / 'ours.json')
        config.load_from = checkpoint
        config.test_evaluator.outfile_prefix = str(tmp_path / 'mmpose')
        Runner.from_cfg(config).test()
        ours = json.loads((tmp_path / 'ours.json').read_text())
        theirs = json.loads((tmp_path / 'mmpose.keypoints.json').read_text())
        assert all(set(entry) == {'image_id', 'category_id', 'keypoints', 'score'} for entry in ours)
        key = lambda entry: (entry['image_id'], entry['keypoints'])  # noqa: E731
        for mine, other in zip(sorted(ours, key=key), sorted(theirs, key=key), strict=True):
            assert (mine['image_id'], mine['category_id']) == (other['image_id'], other['category_id'])
            np.testing.assert_allclose(mine['keypoints'], other['keypoints'], rtol=1e-5)
            assert mine['score'] == pytest.approx(other['score'], rel=1e-5)

    def test_flip_test_as_in_the_config(self, tiny, tmp_path):
        config, checkpoint = tiny()
        flipped = ensemble([(config, checkpoint)], tmp_path / 'flipped.json')
        plain = ensemble([(config, checkpoint)], tmp_path / 'plain.json', options={'model.test_cfg.flip_test': False})
        assert any((a.keypoints != b.keypoints).any() for a, b in zip(flipped, plain))


    def test_detected_boxes_of_images_without_annotations(self, tiny, tmp_path, people):
        """As for test-dev: a list of images, and detections whose scores count. Other things than persons are left out."""
        images = json.loads(people.val_annotations.read_text())
        first = images['images'][0]['id']
        del images['annotations']
        (tmp_path / 'image_info.json').write_text(json.dumps(images))
        (tmp_path / 'boxes.json').write_text(json.dumps([
            dict(image_id=first, category_id=category, bbox=[20, 20, 60, 120], score=score)
            for category, score in ((1, .5), (1, 1.), (18, .9))]))
        config, checkpoint = tiny()
        half, full = ensemble([(config, checkpoint)], tmp_path / 'out.json', options={
            'test_dataloader.dataset.ann_file': str(tmp_path / 'image_info.json'),
            'test_dataloader.dataset.bbox_file': str(tmp_path / 'boxes.json')})
        assert full.score == pytest.approx(full.keypoints[:, 2].mean()) and half.score == pytest.approx(full.score / 2)
        assert half.image_id == full.image_id == first and half.category_id == 1


class TestSeveralModels:

    def test_mean_of_the_heatmaps(self, tiny):
        """Two models of one size: the codec decodes the mean of what each makes alone."""
        members = [load_member(*tiny(seed)) for seed in (1, 2)]
        together = list(predict_together(members))
        maps = [torch.stack([s.pred_fields.heatmaps for batch in m.loader for s in m.model.test_step(batch)]).detach()
                for m in members]
        assert not torch.equal(*maps)
        joints, scores = members[0].model.head.decoder.decode_tensor((maps[0] + maps[1]) / 2)
        for sample, own, score in zip(together, joints.numpy(), scores.numpy(), strict=True):
            image = own / sample.input_size * sample.input_scale + sample.input_center - sample.input_scale / 2
            np.testing.assert_allclose(sample.pred_instances.keypoints[0], image, rtol=1e-5)
            np.testing.assert_allclose(sample.pred_instances.keypoint_scores[0], score, rtol=1e-5)

    @pytest.mark.parametrize('order', [(0, 1), (1, 0)])
    def test_the_largest_decodes(self, tiny, order):
        members = [load_member(*tiny(1)), load_member(*tiny(2, size=(144, 192)))]
        samples = list(predict_together([members[i] for i in order]))
        assert {tuple(sample.input_size) for sample in samples} == {(144, 192)}
        assert not any('pred_fields' in sample for sample in samples)  # heatmaps of a whole data set fill the memory
        assert all(np.isfinite(pose.keypoints).all() and pose.score > 0 for pose in poses_of(samples))

    def test_order_of_equals_does_not_matter(self, tiny):
        members = [load_member(*tiny(seed)) for seed in (1, 2)]
        for a, b in zip(poses_of(predict_together(members)), poses_of(predict_together(members[::-1])), strict=True):
            np.testing.assert_array_equal(a.keypoints, b.keypoints)

    def test_members_get_the_first_ones_batch_size(self, tiny, tmp_path):
        first, second = tiny(1), tiny(2, **{'test_dataloader.batch_size': 2})
        assert len(ensemble([first, second], tmp_path / 'out.json')) >= 4


class TestRefused:

    def test_no_model(self):
        with pytest.raises(ValueError, match='members is empty'):
            next(predict_together([]))

    def test_other_joints(self, tiny, tmp_path):
        first, second = tiny(1), tiny(2, **{'model.head.out_channels': 14, 'model.test_cfg.flip_test': False})
        out = tmp_path / 'folder' / 'out.json'
        with pytest.raises(ValueError, match=r'predicts other joints than .*: 14 \(nose, .* not 17 \(nose'):
            ensemble([first, second], out)
        assert not out.parent.exists()

    def test_other_joints_by_name(self, tiny):
        members = [load_member(*tiny(seed)) for seed in (1, 2)]
        dataset = members[1].loader.dataset
        names = dict(dataset.metainfo['keypoint_id2name'])
        dataset._metainfo['keypoint_id2name'] = {**names, 0: names[1], 1: names[0]}
        with pytest.raises(ValueError, match='predicts other joints'):
            next(predict_together(members))

    def test_other_number_of_persons(self, tiny):
        members = [load_member(*tiny(1)), load_member(*tiny(2), options={'test_dataloader.dataset.indices': 2})]
        with pytest.raises(ValueError, match=r'gets 2 persons in batches of 3, .* gets \d+ in batches of 3'):
            next(predict_together(members))

    def test_other_persons_write_nothing(self, tiny, tmp_path, people, capsys):
        """As many boxes, one of them another: seen on the way, when part of the work is done."""
        truth = json.loads(people.val_annotations.read_text())
        truth['annotations'][-1]['bbox'][0] += 3
        (tmp_path / 'other.json').write_text(json.dumps(truth))
        first, second = tiny(1), tiny(2, **{'test_dataloader.dataset.ann_file': str(tmp_path / 'other.json')})
        out = tmp_path / 'out.json'
        out.write_text('what was there')
        with pytest.raises(ValueError, match='gets other persons than .*bbox_file'):
            ensemble([first, second], out)
        assert out.read_text() == 'what was there'
        assert not list(tmp_path.glob('.*'))

    def test_nms_arguments_are_checked_first(self, monkeypatch, tmp_path):
        monkeypatch.setattr(apis, 'load_members', lambda *_: pytest.fail('models were loaded'))
        with pytest.raises(ValueError, match="mode='oks' is not known"):
            ensemble([('a', 'b')], tmp_path / 'out.json', nms='oks')

    def test_selected_joints(self, tiny):
        with pytest.raises(ValueError, match='output_keypoint_indices'):
            load_member(*tiny(1), options={'model.test_cfg.output_keypoint_indices': [0, 1]})

    def test_heatmaps_of_another_kind(self, tiny):
        config, checkpoint = tiny(1)
        config.model.head.decoder = dict(type='UDPHeatmap', input_size=(96, 128), heatmap_size=(24, 32),
                                         heatmap_type='combined')
        with pytest.raises(ValueError, match='UDPHeatmap cannot be averaged'):
            load_member(config, checkpoint)


def test_tool(tiny, dump, tmp_path, people):
    """The command of the documentation, with AP and OKS-NMS."""
    small, large = tiny(1), tiny(2, size=(144, 192))
    out = tmp_path / 'results.json'
    run = subprocess.run(
        [warm.python(), str(TOOL), '--model', dump(small[0], 'small'), small[1], '--model', dump(large[0], 'large'), large[1],
         '--out', str(out), '--annotations', str(people.val_annotations), '--nms', 'oks_nms', '--device', 'cpu'],
        capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    persons = len(json.loads(people.val_annotations.read_text())['annotations'])
    assert 0 < len(json.loads(out.read_text())) <= persons
    assert 'AP  ' in run.stdout and f'in {out}' in run.stdout
