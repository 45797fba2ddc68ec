"""Every config: loaded, resolved, built and counted at full size, fed by its own pipelines, and trained for a step."""
import copy
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import cv2
import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import Registry
from torch import nn

from rsn_mm import registry
from rsn_mm.models.backbones import NUM_BLOCKS

from .counting import counted_macs

FOLDER = Path(__file__).parent.parent / 'configs'
# MMPose's own model is its own business: test_accuracy.py trains it.
NAMES = sorted(path.stem for path in FOLDER.glob('*.py') if not path.stem.startswith('mmpose_'))
# The rows of the paper's tables: stages, depth, wide or as released, PRM, data set, (height, width).
ROW = re.compile(r'(?:(\d)x)?rsn(18|50|101)(_wide)?(_prm|_udp)?_(coco|mpii)_(\d+)x(\d+)$')
ROWS = [name for name in NAMES if ROW.match(name)]
SPLITS = ('train', 'val', 'test')
INDEX = {model['Name']: model['Metadata'] for model in yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']}
# What COCO-WholeBody adds to a person: joints of feet, face and hands, all labelled at one place.
WHOLE_BODY = {f'{part}_kpts': [40., 50., 2.] * count
              for part, count in dict(foot=6, face=68, lefthand=21, righthand=21).items()}


@cache
def loaded(name: str) -> Config:
    return Config.fromfile(FOLDER / f'{name}.py')


def load(name: str) -> Config:
    return copy.deepcopy(loaded(name))


def types(node: Any) -> Iterator[str]:
    """Every ``type`` in a config."""
    if isinstance(node, dict):
        if isinstance(node.get('type'), str):
            yield node['type']
        for child in node.values():
            yield from types(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from types(child)


def step_of(pipeline: List[dict], kind: str) -> dict:
    return next(step for step in pipeline if step['type'] == kind)


def first_dataset(cfg: Config, split: str) -> dict:
    """Config of a split's data set; of several that are combined, the first with the pipeline of all."""
    dataset = cfg[f'{split}_dataloader'].dataset
    return dict(dataset.datasets[0], pipeline=dataset.pipeline) if dataset.type == 'CombinedDataset' else dict(dataset)


def encoder_of(cfg: Config) -> Any:
    """The codec or codecs of the targets: of the data pipeline where it makes them, else of the head."""
    made = [step for step in cfg.train_dataloader.dataset.pipeline if step['type'] == 'GenerateTarget']
    return made[0]['encoder'] if made else cfg.model.head.encoder


@cache
def backbone_on_meta(backbone: str) -> nn.Module:
    with torch.device('meta'):
        return registry.MODELS.build(json.loads(backbone))


@cache
def features_on_meta(backbone: str, shape: Tuple[int, ...]) -> Tuple[tuple, int]:
    """What a backbone (its config as JSON) makes of a batch, and with how many MACs. Rows of a table share backbones."""
    with torch.device('meta'), torch.no_grad(), counted_macs(backbone_on_meta(backbone)) as macs:
        return backbone_on_meta(backbone)(torch.empty(shape)), sum(macs)


@pytest.fixture
def make_batch(tmp_path, coco_file, mpii_file):
    """The batch that a config's own data set and pipeline make of two people in a random image."""
    image = np.random.default_rng(0).integers(0, 256, (120, 100, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / '1.jpg'), image)
    files = {
        'rsn_mm.CocoDataset': coco_file(tmp_path / 'coco.json'),
        'rsn_mm.MpiiDataset': mpii_file(tmp_path / 'mpii.json'),
        'rsn_mm.CrowdPoseDataset': coco_file(tmp_path / 'crowdpose.json', num_keypoints=14),
        'rsn_mm.CocoWholeBodyDataset': coco_file(tmp_path / 'wholebody.json', segmentation=[], **WHOLE_BODY),
    }

    def make(cfg: Config, split: str) -> dict:
        dataset = first_dataset(cfg, split)
        dataset.update(ann_file=files[dataset['type']], data_prefix=dict(img=str(tmp_path)))
        for name in ('bbox_file', 'headbox_file'):
            if name in dataset:
                dataset[name] = None
        return pseudo_collate(list(registry.DATASETS.build(dataset)))

    return make


@pytest.mark.parametrize('name', NAMES)
class TestEveryConfig:

    def test_every_type_resolves(self, name, scope):
        cfg = load(name)
        assert cfg.default_scope == 'rsn_mm'
        scope(cfg.default_scope)
        registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
        found = {kind: any(r.get(kind) is not None for r in registries) for kind in types(cfg._cfg_dict.to_dict())}
        assert len(found) > 20
        assert [kind for kind, resolved in found.items() if not resolved] == []

    def test_model_fits_its_data_and_the_model_index(self, name, scope, make_batch):
        """The model at full size, on the meta device, which checks shapes and computes nothing; its cost on the way."""
        cfg = load(name)
        scope(cfg.default_scope)
        batch = registry.MODELS.build(cfg.model.data_preprocessor)(make_batch(cfg, 'train'), training=True)
        samples = [sample.to('meta') for sample in batch['data_samples']]
        backbone = json.dumps(cfg.model.backbone)
        features, in_backbone = features_on_meta(backbone, tuple(batch['inputs'].shape))
        with torch.device('meta'), torch.no_grad():
            head = registry.MODELS.build(cfg.model.head)
            with counted_macs(head) as macs:
                if cfg.model.head.type == 'SimCCHead':  # its loss copies to the host, which meta tensors cannot
                    labels = samples[0].gt_instance_labels
                    expected = [labels.keypoint_x_labels.shape[1:], labels.keypoint_y_labels.shape[1:]]
                    assert [axis.shape[1:] for axis in head(features)] == expected
                else:
                    assert len(head.loss(features, samples)) == head.num_stages * head.num_units
        if name in INDEX:
            parameters = sum(p.numel() for part in (backbone_on_meta(backbone), head) for p in part.parameters())
            assert (INDEX[name]['Parameters'], INDEX[name]['MACs']) == (
                pytest.approx(parameters, abs=600), pytest.approx((in_backbone + sum(macs)) / len(samples), abs=6e5))

    def test_trains_and_predicts(self, name, scope, make_batch):
        """A step of the config's own optimizer with real numbers. Channels and blocks are cut, sizes are not."""
        cfg = load(name)
        scope(cfg.default_scope)
        cfg.model.backbone.update(num_blocks=[1, 1, 1, 1], stem_channels=8)
        if cfg.model.backbone.type == 'rsn_mm.RSNEncoder':
            cfg.model.head.update(in_channels=8 * 2**3)
        else:
            cfg.model.backbone.update(unit_channels=16)
            cfg.model.head.update(in_channels=16)
        model = registry.MODELS.build(cfg.model)
        model.init_weights()
        before = [p.detach().clone() for p in model.parameters()]
        logs = model.train().train_step(make_batch(cfg, 'train'), build_optim_wrapper(model, cfg.optim_wrapper))
        assert all(torch.isfinite(value) for value in logs.values())
        assert not any(torch.equal(p, old) for p, old in zip(model.parameters(), before))

        with torch.no_grad():
            results = model.eval().test_step(make_batch(cfg, 'test'))
        width, height = cfg.val_pipeline[2].input_size
        for result in results:
            assert result.pred_instances.keypoints.shape == (1, cfg.model.head.out_channels, 2)
            assert np.isfinite(result.pred_instances.keypoints).all()

    def test_sizes_agree(self, name):
        """Codec, crop and decoder have one input size; a heatmap is a quarter of it (DESIGN section 2)."""
        cfg = load(name)
        decoder = cfg.model.head.decoder
        encoders = encoder_of(cfg)
        encoders = [encoders] if isinstance(encoders, dict) else encoders
        size = tuple(decoder.input_size)
        for codec in [decoder, *encoders]:
            assert tuple(codec.input_size) == size
            if codec.type != 'SimCCLabel':
                assert tuple(codec.heatmap_size) == (size[0] // 4, size[1] // 4)
        for split in SPLITS:
            pipeline = cfg[f'{split}_dataloader'].dataset.pipeline
            assert tuple(step_of(pipeline, 'TopdownAffine')['input_size']) == size
        assert decoder == encoders[-1]
        assert len(encoders) in (1, 5)

    def test_validation_is_the_test(self, name):
        cfg = load(name)
        if '_lsp' in name:  # noisy people to look at during training, clean ones that only a finished model is tested on
            assert cfg.test_dataloader.dataset.ann_file == 'lsp_test.json'
            cfg.val_dataloader.dataset.update(ann_file='lsp_test.json', data_root=cfg.lsp_root)
            assert cfg.test_dataloader == cfg.val_dataloader
        else:
            assert cfg.test_dataloader == cfg.val_dataloader and cfg.test_evaluator == cfg.val_evaluator

    def test_states_its_difference_alone(self, name):
        """15 lines or fewer, unless it has pipelines of its own."""
        text = (FOLDER / f'{name}.py').read_text()
        assert len(text.splitlines()) <= 15 or 'train_pipeline = [' in text
        assert text.startswith('"""') and '_base_ = ' in text


@pytest.mark.parametrize('name', ROWS)
class TestRowsOfThePaper:

    def test_are_what_their_names_say(self, name):
        cfg = load(name)
        stages, depth, wide, variant, data, height, width = ROW.match(name).groups()
        backbone, head = cfg.model.backbone, cfg.model.head
        assert (backbone.num_stages, backbone.depth) == (int(stages or 1), int(depth))
        assert head.num_stages == backbone.num_stages
        assert backbone.get('expansion', 1) == (4 if wide else 1)
        assert head.get('prm') == ('features' if variant == '_prm' else None)
        assert head.out_channels == dict(coco=17, mpii=16)[data]
        assert tuple(head.decoder.input_size) == (int(width), int(height))

    def test_recipe(self, name):
        """Paper 4.1: Adam, 5e-4, weight decay 1e-5, 200 epochs, 8 x 48 images, +-45 degrees, scale 0.7 to 1.35."""
        cfg = load(name)
        assert dict(cfg.optim_wrapper.optimizer) == dict(type='Adam', lr=5e-4, weight_decay=1e-5)
        assert cfg.train_cfg.max_epochs == 200
        assert cfg.train_dataloader.batch_size == 48 and cfg.auto_scale_lr.base_batch_size == 8 * 48
        random = step_of(cfg.train_pipeline, 'RandomBBoxTransform')
        assert (tuple(random.scale_factor), random.rotate_factor) == ((.7, 1.35), 45)
        assert step_of(cfg.train_pipeline, 'RandomHalfBody').prob == .3
        assert (cfg.model.test_cfg.flip_test, cfg.model.test_cfg.shift_heatmap) == (True, False)

    def test_gaussians(self, name):
        """DESIGN section 2: 15, 11, 9, 7, 5, grown by the input's size to the nearest odd number; blur 5, MPII 9."""
        cfg = load(name)
        encoder = encoder_of(cfg)
        if isinstance(encoder, dict):
            assert '_udp_' in name
            return
        grow = 1.5 if name.endswith('384x288') else 1
        assert [codec.kernel_size for codec in encoder] == [2 * math.floor(k * grow / 2) + 1 for k in (15, 11, 9, 7, 5)]
        assert {codec.blur_kernel_size for codec in encoder} == {9 if 'mpii' in name else 5}

    def test_occluded_joints_are_known_on_coco(self, name):
        """The authors' loss needs COCO's flags: after the targets, before packing. MPII has no such flag."""
        kinds = [step['type'] for step in load(name).train_pipeline]
        if 'mpii' in name:
            assert 'rsn_mm.LoadVisibility' not in kinds
        else:
            assert kinds[-2:] == ['rsn_mm.LoadVisibility', 'PackPoseInputs']

    def test_data_root_from_the_environment(self, name, monkeypatch):
        data = 'mpii' if 'mpii' in name else 'coco'
        for root in (None, '/elsewhere/'):
            monkeypatch.delenv(f'{data.upper()}_ROOT', raising=False)
            if root is not None:
                monkeypatch.setenv(f'{data.upper()}_ROOT', root)
            cfg = Config.fromfile(FOLDER / f'{name}.py')
            assert {cfg[f'{split}_dataloader'].dataset.data_root for split in SPLITS} == {root or f'data/{data}/'}


def test_another_size_takes_three_lines(tmp_path, scope, make_batch):
    """A config of one's own, as README shows: its pipelines, targets and head fit each other."""
    (tmp_path / 'own.py').write_text(f"""_base_ = '{FOLDER / 'rsn18_coco_256x192.py'}'
from rsn_mm.input_size import set_input_size
set_input_size(_base_, (256, 320))
""")
    cfg = Config.fromfile(tmp_path / 'own.py')
    scope(cfg.default_scope)
    assert {tuple(step_of(cfg[f'{split}_dataloader'].dataset.pipeline, 'TopdownAffine')['input_size']) for split in SPLITS} | {
        tuple(codec.input_size) for codec in [cfg.model.head.decoder, *encoder_of(cfg)]} == {(256, 320)}
    cfg.model.backbone.update(num_blocks=[1, 1, 1, 1], stem_channels=8, unit_channels=16)
    cfg.model.head.update(in_channels=16)
    model = registry.MODELS.build(cfg.model)
    model.init_weights()
    batch = make_batch(cfg, 'train')
    assert batch['inputs'][0].shape == (3, 320, 256)
    logs = model.train().train_step(batch, build_optim_wrapper(model, cfg.optim_wrapper))
    assert all(torch.isfinite(value) for value in logs.values())
    with torch.no_grad():
        result, *_ = model.eval().test_step(make_batch(cfg, 'test'))
    assert np.isfinite(result.pred_instances.keypoints).all()


def test_every_depth_has_a_config():
    assert {ROW.match(name)[2] for name in ROWS} == {str(depth) for depth in NUM_BLOCKS}


def learning_rates(name: str, epoch_length: int) -> np.ndarray:
    """Learning rate of every iteration, from MMEngine's own schedulers."""
    cfg = load(name)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=cfg.optim_wrapper.optimizer.lr)
    schedulers = [
        registry.PARAM_SCHEDULERS.build(dict(one), default_args=dict(optimizer=optimizer, epoch_length=epoch_length))
        for one in cfg.param_scheduler
    ]
    assert not any(scheduler.by_epoch for scheduler in schedulers)
    rates = []
    for _ in range(cfg.train_cfg.max_epochs * epoch_length):
        rates.append(optimizer.param_groups[0]['lr'])
        for scheduler in schedulers:
            scheduler.step()
    return np.array(rates)


@pytest.mark.filterwarnings('ignore:Detected call of')
def test_learning_rate_on_coco():
    """Released code and paper 4.1: from 0.1x over 2,400 iterations to 5e-4, then linearly to 0. COCO: 391 an epoch."""
    rates = learning_rates('rsn18_coco_256x192', 391)
    assert rates[0] == pytest.approx(5e-5)
    warm = np.interp(np.arange(2400), [0, 2399], [5e-5, 5e-4])
    np.testing.assert_allclose(rates[:2400], warm, rtol=1e-3)
    assert rates.max() == pytest.approx(5e-4, rel=1e-3)
    straight = np.interp(np.arange(2400, len(rates)), [2346, len(rates) - 1], [5e-4, 0])
    np.testing.assert_allclose(rates[2400:], straight, atol=1e-7)
    assert rates[-1] < 1e-8
