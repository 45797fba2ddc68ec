"""Stock MMPose's names of RSN's layers, mapped by hand to ours."""
import re
from typing import Any, Callable, Dict, List, Tuple

import pytest
import torch
from mmpose.models.backbones.rsn import RSN as StockRSN
from mmpose.models.heads import MSPNHead
from torch import Tensor, nn

from rsn_mm.models import RSN, MultiStageHead

IN_STAGE = r'^multi_stage_rsn\.(\d+)\.'
RULES: List[Tuple[str, Any]] = [
    (r'^top\.top\.0\.', 'body.stem.0.'),
    (IN_STAGE + r'downsample\.layer(\d)\.(\d+)\.',
     lambda m: f'body.stages.{m[1]}.down.levels.{int(m[2]) - 1}.{m[3]}.'),
    (IN_STAGE + r'upsample\.up(\d)\.in_skip\.', lambda m: f'body.stages.{m[1]}.up.units.{int(m[2]) - 1}.from_level.'),
    (IN_STAGE + r'upsample\.up(\d)\.up_conv\.', lambda m: f'body.stages.{m[1]}.up.units.{int(m[2]) - 1}.from_below.'),
    # Stock counts the up units deep to shallow, ours are lists of levels, shallow to deep.
    (IN_STAGE + r'upsample\.up(\d)\.out_skip1\.',
     lambda m: f'body.stages.{m[1]}.cross.from_levels.{4 - int(m[2])}.'),
    (IN_STAGE + r'upsample\.up(\d)\.out_skip2\.', lambda m: f'body.stages.{m[1]}.cross.from_units.{4 - int(m[2])}.'),
    (IN_STAGE + r'upsample\.up4\.cross_conv\.', lambda m: f'body.stages.{m[1]}.cross.to_next.'),
    (r'\.conv_bn_relu1\.', '.entry.'),
    (r'\.conv_bn_relu2_(\d)_(\d)\.', lambda m: f'.branches.{int(m[1]) - 1}.{int(m[2]) - 1}.'),
    (r'\.conv_bn3\.', '.exit.'),
    (r'\.downsample\.', '.shortcut.'),
    (r'^predict_layers\.(\d+)\.conv_layers\.', lambda m: f'predictors.{int(m[1]) // 4}.{int(m[1]) % 4}.'),
    (r'^predict_layers\.(\d+)\.prm\.', lambda m: f'heatmap_prms.{int(m[1]) // 4}.{int(m[1]) % 4}.'),
    (r'\.conv_bn_relu_prm_1\.', '.refine.'),
    (r'\.middle_path\.(\d)\.', lambda m: f'.alpha.{int(m[1]) + 1}.'),
    (r'\.bottom_path\.0\.', '.beta.0.'),
    (r'\.bottom_path\.1\.depthwise_conv\.', '.beta.1.'),
    (r'\.bottom_path\.1\.pointwise_conv\.', '.beta.2.'),
]


def renamed(state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    result = {}
    for name, tensor in state.items():
        for pattern, replacement in RULES:
            name = re.sub(pattern, replacement, name)
        # Stock pools to vectors and has Linear layers where ours stay maps of 1x1 and have conv1x1.
        result[name] = tensor[:, :, None, None] if name.endswith(('alpha.1.weight', 'alpha.4.weight')) else tensor
    return result


def randomise_norms(module: nn.Module) -> None:
    """Statistics and weights of every norm as after training: no two alike, so that no mix-up stays unseen."""
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.running_mean.normal_(0, .1)
            layer.running_var.uniform_(.5, 1.5)
            nn.init.uniform_(layer.weight, .5, 1.5)
            nn.init.normal_(layer.bias, 0, .1)


@pytest.fixture
def stock_and_ours() -> Callable[..., Tuple[nn.Module, nn.Module, nn.Module, nn.Module]]:
    """Stock backbone and head, and ours with their weights, all in eval mode."""

    def make(num_stages: int, use_prm: bool = False, **head: Any) -> Tuple[nn.Module, ...]:
        stock = StockRSN(num_stages=num_stages)
        stock_head = MSPNHead(
            num_stages, out_shape=(16, 12), use_prm=use_prm, level_indices=[0, 1, 2, 3] * num_stages,
            **{key: head[key] for key in ('loss', ) if key in head})
        ours = RSN(num_stages=num_stages)
        our_head = MultiStageHead(num_stages, prm='heatmaps' if use_prm else None, **head)
        for module in (stock, stock_head):
            randomise_norms(module)
        ours.load_state_dict(renamed(stock.state_dict()))
        our_head.load_state_dict(renamed(stock_head.state_dict()))
        for module in (stock, stock_head, ours, our_head):
            module.train(False)  # eval() of stock's backbone returns None, and .eval() is train(False)
        return stock, stock_head, ours, our_head

    return make


@pytest.fixture
def without_gradient() -> Callable[[nn.Module], List[str]]:
    """Names of the parameters that a backward pass left without a gradient, or with one that is zero or not finite."""

    def names(module: nn.Module) -> List[str]:
        return [
            name for name, parameter in module.named_parameters()
            if parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any()
        ]

    return names


@pytest.fixture
def saved_tensors() -> Callable[[Callable[[], Any]], int]:
    """How many tensors autograd keeps for the backward pass of a call."""

    def count(function: Callable[[], Any]) -> int:
        kept = []

        def pack(tensor: Tensor) -> Tensor:
            kept.append(tensor.shape)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            function()
        return len(kept)

    return count
