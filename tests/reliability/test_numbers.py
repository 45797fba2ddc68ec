"""Numbers at the edge of what training and decoding can meet have a defined result."""
from typing import Any, Callable, List

import numpy as np
import pytest
import torch
from mmpose.datasets.transforms import PackPoseInputs
from torch import Tensor, nn

from rsn_mm.codecs import QuarterOffsetHeatmap
from rsn_mm.engine import AmpOptimWrapper

KEYPOINTS = 5


def gradients(model: nn.Module) -> List[Tensor]:
    return [parameter.grad for parameter in model.parameters()]


def train_step(model: nn.Module, images: Tensor, samples: List[Any]) -> dict:
    losses = model.train()(images, samples, mode='loss')
    sum(losses.values()).backward()
    return {name: loss.item() for name, loss in losses.items()}


@pytest.fixture
def persons(make_samples: Callable, codec_cfg: Callable) -> Callable[..., List[Any]]:

    def make(batch_size: int, flags: Any = None) -> List[Any]:
        return make_samples(codec_cfg(), batch_size=batch_size, num_keypoints=KEYPOINTS, flags=flags)

    return make


class TestTraining:

    @pytest.mark.parametrize('prm', [None, 'features', 'heatmaps'])
    def test_batch_of_one(self, make_estimator: Callable, persons: Callable, prm: Any) -> None:
        """Batch norm sees the pixels of one image; at the deepest level of 64 x 64 px and two units that is 8 x 8."""
        model = make_estimator(head=dict(prm=prm))
        losses = train_step(model, torch.randn(1, 3, 64, 64), persons(1))
        assert np.isfinite(list(losses.values())).all()
        assert all(gradient.isfinite().all() for gradient in gradients(model))

    @pytest.mark.parametrize('rule', ['authors', 'mmpose'])
    def test_nobody_has_a_visible_joint(self, make_estimator: Callable, persons: Callable, rule: str) -> None:
        """By the authors' rule plain units learn empty maps; by MMPose's, and in OHKM, nothing is learned."""
        model = make_estimator(head=dict(visibility_rule=rule))
        losses = train_step(model, torch.randn(2, 3, 64, 64), persons(2, np.zeros((2, KEYPOINTS))))
        assert losses['loss_s1u2'] == 0 and (losses['loss_s1u1'] > 0) == (rule == 'authors')
        assert all(gradient.isfinite().all() for gradient in gradients(model))
        assert any(gradient.any() for gradient in gradients(model)) == (rule == 'authors')

    @pytest.mark.parametrize('outside', [-1e9, -.1, 63.1, 1e9, float('inf'), float('nan')])
    def test_all_joints_outside_are_as_none(self, make_estimator: Callable, codec_cfg: Callable, outside: float) -> None:
        """Also where the head draws the targets."""
        model = make_estimator(head=dict(encoder=[codec_cfg()]))
        torch.manual_seed(1)
        images, results = torch.randn(2, 3, 64, 64), []
        for joint, flag in ((outside, 1.), (5., 0.)):
            sample = PackPoseInputs(pack_transformed=True)(dict(
                img=np.zeros((64, 64, 3), np.uint8), img_shape=(64, 64), input_size=(64, 64), input_center=np.array([32., 32.]),
                input_scale=np.array([64., 64.]), keypoints=np.zeros((1, KEYPOINTS, 2), np.float32),
                transformed_keypoints=np.full((1, KEYPOINTS, 2), joint, np.float32),
                keypoints_visible=np.full((1, KEYPOINTS), flag, np.float32)))['data_samples']
            model.zero_grad()
            results.append((train_step(model, images, [sample, sample]), [g.clone() for g in gradients(model)]))
        (losses, grads), (unlabelled, their_grads) = results
        assert losses == unlabelled and np.isfinite(list(losses.values())).all()
        assert all(torch.equal(a, b) and a.isfinite().all() for a, b in zip(grads, their_grads))


class TestMixedPrecision:

    @pytest.fixture
    def model(self) -> nn.Module:
        return nn.Linear(3, 1)

    def wrapper(self, model: nn.Module, **kwargs: Any) -> AmpOptimWrapper:
        return AmpOptimWrapper(optimizer=torch.optim.Adam(model.parameters(), lr=.1), **kwargs)

    @pytest.mark.parametrize('broken', [float('inf'), float('nan')])
    def test_float16_skips_a_step_whose_gradients_overflow(self, model: nn.Module, broken: float) -> None:
        """Weights and moments stay, the scale is halved, and the next step is taken."""
        wrapper = self.wrapper(model)
        wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=1024.)
        before = model.weight.detach().clone()
        wrapper.update_params((model(torch.ones(2, 3)) * broken).sum())
        assert torch.equal(model.weight, before) and not wrapper.optimizer.state
        assert wrapper.loss_scaler.get_scale() == 512
        wrapper.update_params(model(torch.ones(2, 3)).sum())
        assert not torch.equal(model.weight, before) and model.weight.isfinite().all()

    def test_bfloat16_has_the_range_of_float32(self, model: nn.Module) -> None:
        """A gradient of 1e30 is a step like any other; float16 ends at 65504."""
        wrapper = self.wrapper(model)
        with wrapper.optim_context(model):
            loss = (model(torch.ones(2, 3)) * 1e30).sum()
        wrapper.update_params(loss)
        assert model.weight.isfinite().all()


class TestDecoding:
    CODEC = QuarterOffsetHeatmap((96, 128), (24, 32), 7)

    def maps(self) -> np.ndarray:
        """(N, 32, 24): 3,000 of every kind."""
        rng = np.random.default_rng(0)
        kinds = [rng.normal(0, scale, (500, 32, 24)) for scale in (1e-42, 1e-3, 1, 255, 1e30)]
        sparse = np.where(rng.random((500, 32, 24)) < .01, rng.choice([np.nan, np.inf, -np.inf, 255., -1.], (500, 32, 24)), 0)
        return np.concatenate([*kinds, sparse]).astype(np.float32)

    def test_joints_are_finite_and_in_the_image(self) -> None:
        """Whatever the maps hold. Scores tell NaN and infinity; else they are map / 255 + 0.5."""
        maps = self.maps()
        keypoints, scores = self.CODEC.batch_decode(maps[:, None])
        joints = np.concatenate(keypoints)[:, 0]
        assert (joints >= 0).all() and (joints <= [96, 128]).all()
        finite = np.isfinite(maps).all(axis=(1, 2))
        assert np.isfinite(np.concatenate(scores)[finite]).all()

    @pytest.mark.parametrize('value, score', [(0, .5), (float('nan'), float('nan')), (float('inf'), float('inf'))])
    def test_one_persons_broken_maps_leave_the_others(self, value: float, score: float) -> None:
        maps = self.maps()[1000:1012].reshape(4, 3, 32, 24)
        whole = self.CODEC.batch_decode(maps.copy())
        maps[1, 2] = value
        keypoints, scores = self.CODEC.batch_decode(maps)
        np.testing.assert_array_equal(keypoints[1][0, 2], [2, 2])
        np.testing.assert_array_equal(scores[1][0, 2], np.float32(score))
        for one, other in zip((keypoints, scores), whole):
            others = np.ones((4, 1, 3), bool)
            others[1, 0, 2] = False
            np.testing.assert_array_equal(np.stack(one)[others], np.stack(other)[others])

    def test_weights_that_are_no_numbers_give_scores_that_are_none(self, make_estimator: Callable, persons: Callable) -> None:
        """No exception in the middle of a test: joints lie in the image, scores are NaN."""
        model = make_estimator().eval()
        nn.init.constant_(next(model.head.predictors[-1][-1].parameters()), float('nan'))
        with torch.no_grad():
            samples = model(torch.randn(2, 3, 64, 64), persons(2), mode='predict')
        for sample in samples:
            assert np.isnan(sample.pred_instances.keypoint_scores).all()
            assert np.isfinite(sample.pred_instances.keypoints).all()
