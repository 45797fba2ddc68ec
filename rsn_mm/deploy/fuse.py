"""The same predictions from less work: a copy of a model for prediction alone."""
import copy
from functools import cache
from typing import TYPE_CHECKING, Any, List, Optional, Tuple, Type

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmpose.models.pose_estimators.base import BasePoseEstimator
from torch import Tensor, nn

from ..compat.compile import HEAD_METHODS
from ..models.blocks import ResidualStepsBlock
from ..models.multi_stage import UpUnit, upsample
from .fused_conv import REFUSAL, fused_conv_module

if TYPE_CHECKING:  # what the mixin stands in front of
    from mmpose.models.pose_estimators.base import BasePoseEstimator as _Estimator
else:
    _Estimator = object

# Maps of more persons fall out of a CPU's cache before the next layer reads them.
PERSONS_ON_CPU = 8


def fuse(model: nn.Module, pad_branches_to: Optional[int] = None) -> nn.Module:
    """A copy of ``model`` that predicts the same, faster, and does nothing else.

    Batch norms are folded into the convolutions before them; sums and ReLUs are computed with the convolution that they
    follow; up units convolve before they upsample; all is channels last in memory. Results agree with those of ``model``
    to rounding. What depends on its input (group norm) or is no ``ConvModule`` stays as it is.

    Args:
        model (nn.Module): A pose estimator, RSN, RSNEncoder, a head, or any other module. It is left as it is; nothing is
            shared with it.
        pad_branches_to (int, optional): Fill the branches of residual steps blocks with zero channels up to a multiple of
            this number. Tensor cores want 8; a CPU loses by it. Defaults to 8 on a GPU and 1 elsewhere.

    Returns:
        nn.Module: In eval mode, without gradients, of a subclass of ``type(model)``. ``train()`` and ``loss()`` raise a
        ``RuntimeError``. Its ``state_dict`` has other names than that of ``model``, which stays the one to keep. Move it
        to another device or ``half()`` it as any module.

    Raises:
        ValueError: if ``pad_branches_to`` is not positive.
    """
    if pad_branches_to is None:
        pad_branches_to = 8 if any(parameter.is_cuda for parameter in model.parameters()) else 1
    if pad_branches_to < 1:
        raise ValueError(f'pad_branches_to={pad_branches_to} must be at least 1, which adds no channels.')
    # What takes the place of a convolution is made of the original: to copy its weights only to drop them takes half the time.
    fused_convs = {id(module): fused for module in model.modules() if isinstance(module, ConvModule)
                   for fused in [fused_conv_module(module)] if fused is not None}
    model = copy.deepcopy(model, fused_convs).requires_grad_(False)
    model.train(False)
    _forget_compiled(model)
    model = _fused(model, pad_branches_to)
    if not isinstance(model, PredictionOnly):
        model.__class__ = _prediction_only(type(model))  # type: ignore[arg-type]  # mypy asks the instance for its hash
    return model


def _forget_compiled(model: nn.Module) -> None:
    """Compiled methods of a head are attributes, which a copy shares: they would compute with the weights of the original."""
    for module in model.modules():
        for name in HEAD_METHODS:
            vars(module).pop(name, None)


class PredictionOnly(nn.Module):
    """What a fused model refuses."""

    def train(self, mode: bool = True) -> 'PredictionOnly':
        if mode:
            raise RuntimeError(REFUSAL)
        super().train(False)
        return self

    def loss(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(REFUSAL)

    def __reduce__(self) -> Tuple:
        # Pickle finds no class that was made at run time by its name.
        return _blank, (type(self).__bases__[1], ), self.__dict__


class FusedEstimator(PredictionOnly, _Estimator):
    """A pose estimator that on a CPU computes :data:`PERSONS_ON_CPU` at a time, whatever the size of the batch."""

    def predict(self, inputs: Tensor, data_samples: List[Any]) -> List[Any]:
        at_once = PERSONS_ON_CPU if inputs.device.type == 'cpu' else max(len(inputs), 1)
        parts = zip(inputs.split(at_once), (data_samples[i:i + at_once] for i in range(0, len(data_samples), at_once)))
        predict = super().predict
        return [found for images, samples in parts for found in predict(images, samples)]


class FusedResidualStepsBlock(ResidualStepsBlock):
    """A :class:`ResidualStepsBlock` whose last conv1x1 adds the identity and ends with the ReLU."""

    def __init__(self, block: ResidualStepsBlock, pad_branches_to: int = 1) -> None:
        nn.Module.__init__(self)
        self.num_branches = block.num_branches
        self.entry, self.branches, self.exit, self.shortcut = block.entry, block.branches, block.exit, block.shortcut
        self.exit.relu = True
        self._pad_branches(pad_branches_to)
        self.training = False

    def forward(self, x: Tensor) -> Tensor:
        y = self.refine(self.entry(x).chunk(self.num_branches, dim=1))
        return self.exit(torch.cat(y, dim=1), add=self.shortcut(x))

    def _pad_branches(self, multiple: int) -> None:
        """Zero channels in, zero channels out: sums and ReLUs leave them zero."""
        missing = -(len(self.entry.weight) // self.num_branches) % multiple
        if not missing:
            return

        def pad_out(tensor: Tensor, num_splits: int = 1) -> Tensor:
            splits = tensor.unflatten(0, (num_splits, -1))
            return F.pad(splits, (0, 0) * (splits.dim() - 2) + (0, missing)).flatten(0, 1)

        def pad_in(weight: Tensor, num_splits: int = 1) -> Tensor:
            return pad_out(weight.transpose(0, 1), num_splits).transpose(0, 1)

        entry, leave = self.entry, self.exit
        entry.set_weight(pad_out(entry.weight, self.num_branches), pad_out(entry.bias, self.num_branches))
        for step in (step for branch in self.branches for step in branch):
            step.set_weight(pad_out(pad_in(step.weight)), pad_out(step.bias))
        leave.set_weight(pad_in(leave.weight, self.num_branches), leave.bias)


class FusedUpUnit(nn.Module):
    """An :class:`UpUnit` that convolves before it upsamples: a quarter of the work for the same sum.

    A conv1x1 with fixed statistics acts on each pixel alone, and bilinear weights add up to one, so the two commute.
    """

    def __init__(self, unit: UpUnit) -> None:
        super().__init__()
        self.from_level, self.from_below = unit.from_level, unit.from_below
        self.from_level.relu = True
        self.training = False

    def forward(self, level: Tensor, below: Optional[Tensor]) -> Tensor:
        if self.from_below is None:
            return self.from_level(level)
        return self.from_level(level, add=upsample(self.from_below(below), level.shape[-2:]))


def _fused(module: nn.Module, pad_branches_to: int) -> nn.Module:
    """``module`` with all that can be fused in it replaced, or what replaces it."""
    for name, child in module.named_children():
        setattr(module, name, _fused(child, pad_branches_to))
    if type(module) is ResidualStepsBlock and _all_fused(module):
        return FusedResidualStepsBlock(module, pad_branches_to)
    if type(module) is UpUnit and _all_fused(module):
        return FusedUpUnit(module)
    return module


def _all_fused(module: nn.Module) -> bool:
    return not any(isinstance(child, ConvModule) for child in module.modules())


@cache
def _prediction_only(kind: Type[nn.Module]) -> Type[nn.Module]:
    refuses = FusedEstimator if issubclass(kind, BasePoseEstimator) else PredictionOnly
    return type(f'Fused{kind.__name__}', (refuses, kind), {})


def _blank(kind: Type[nn.Module]) -> nn.Module:
    fused_kind = _prediction_only(kind)  # type: ignore[arg-type]  # as above
    return fused_kind.__new__(fused_kind)
