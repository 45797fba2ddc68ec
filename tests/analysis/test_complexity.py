"""Costs against numbers worked out by hand, and against DESIGN's anchors through the built models."""
import pytest
import torch
from mmengine.config import Config
from torch import nn

from rsn_mm.analysis.complexity import build_on_meta, count_complexity, input_size_of


class Head(nn.Module):
    """The whole of it by ``forward``, half of it by ``forward_last``, like MultiStageHead."""

    def __init__(self, full: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.full, self.forward_last = full, last

    def forward(self, x):
        return self.full(x)


def estimator(backbone: nn.Module, head: nn.Module = None) -> nn.Module:
    model = nn.Module()
    model.backbone, model.head = backbone, nn.Identity() if head is None else head
    return model


def counted(*layers: nn.Module) -> tuple:
    return tuple(count_complexity(estimator(nn.Sequential(*layers)), (8, 6)))


@pytest.mark.parametrize('layer, parameters, macs, elementwise', [
    (nn.Conv2d(3, 4, 3, padding=1), 4 * 27 + 4, 48 * 4 * 27, 0),
    (nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3, bias=False), 6 * 9, 12 * 6 * 9, 0),
    (nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1, bias=False), 3 * 5 * 16, 48 * 3 * 5 * 16, 0),
    (nn.Sequential(nn.Flatten(2), nn.Linear(48, 7)), 48 * 7 + 7, 3 * 48 * 7, 0),
    (nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.BatchNorm2d(3)), 9 + 6, 48 * 9, 2 * 48 * 3),
    (nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.ReLU()), 9, 48 * 9, 48 * 3),
    (nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.MaxPool2d(2)), 9, 48 * 9, 12 * 3 * 4),
    (nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.AdaptiveAvgPool2d(1)), 9, 48 * 9, 48 * 3),
    (nn.Sequential(nn.Conv2d(3, 3, 1, bias=False),
                   nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)), 9, 48 * 9, 4 * 192 * 3),
], ids=['conv', 'grouped', 'transposed', 'linear', 'norm', 'relu', 'maxpool', 'mean', 'bilinear'])
@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_layers_by_hand(layer, parameters, macs, elementwise, device):
    assert counted(layer.to(device)) == (parameters, macs, elementwise)


def test_addition_counts_and_concatenation_does_not():

    class Both(nn.Module):

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1, bias=False)

        def forward(self, x):
            y = self.conv(x)
            return torch.cat([y + x, y], dim=1)

    assert counted(Both()) == (9, 48 * 9, 48 * 3)


def test_prediction_counts_the_last_head_alone():
    last = nn.Conv2d(3, 2, 1, bias=False)
    model = estimator(nn.Identity(), Head(nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), last), last))
    assert count_complexity(model, (8, 6)).macs == 48 * (9 + 6)
    assert count_complexity(model, (8, 6), prediction=True).macs == 48 * 6


def test_leaves_the_model_as_it_was():
    model = estimator(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_complexity(model, (8, 6))
    assert model.training and model.backbone.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize('name, giga_macs, million_parameters', [
    ('rsn18_coco_256x192', 2.245, 9.145),
    ('rsn50_coco_256x192', 4.068, 19.329),
    ('rsn101_coco_256x192', 7.940, 39.556),
    ('2xrsn50_coco_256x192', 8.215, 39.262),
])
def test_anchors(name, giga_macs, million_parameters, config_dir):
    """Convolutions of the released structure, K = 17, all units' heads, counted independently by module hooks."""
    cfg = Config.fromfile(config_dir / f'{name}.py')
    model = build_on_meta(cfg)
    found = count_complexity(model, input_size_of(cfg))
    assert round(found.macs / 1e9, 3) == giga_macs
    assert round(found.parameters / 1e6, 3) == million_parameters
    assert found.macs == conv_macs_by_hooks(model, input_size_of(cfg))
    assert count_complexity(model, input_size_of(cfg), prediction=True).macs < found.macs


def conv_macs_by_hooks(model: nn.Module, input_size_wh: tuple) -> int:
    total = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, inputs, output: total.append(output.numel() * m.weight[0].numel()))
    with torch.no_grad():
        model.eval().head(model.backbone(torch.empty(1, 3, *input_size_wh[::-1], device='meta')))
    return sum(total)
