"""Receptive fields inside a block (paper Tables 1 and 2), measured on the built block by gradients."""
from typing import Dict, List, Sequence, Set, Tuple, Union

import torch
from torch import Tensor, nn

from ..models.blocks import ResidualStepsBlock

Fields = Set[int]


class UnconnectedStepsBlock(ResidualStepsBlock):
    """Branches of 1 to N convolutions that receive nothing from the branch above: OSNet's pattern in Table 2."""

    def refine(self, splits: Sequence[Tensor]) -> List[Tensor]:
        y = []
        for split, branch in zip(splits, self.branches):
            for step in branch:
                split = step(split)
            y.append(split)
        return y


def receptive_fields(block: nn.Module, num_splits: int = 4, size: int = 33) -> List[Fields]:
    """Receptive fields that meet in y_1 .. y_N, what the last conv1x1 of a block takes in (Table 2).

    Every split that the first conv1x1 hands out reaches y_i through some number of convolutions; the width of the square
    of pixels of that split which move y_i is one of the receptive fields of y_i. The weights of the block are overwritten.

    Args:
        block (nn.Module): A block with a first conv1x1 ``entry`` and a last conv1x1 ``exit``, stride 1.
        num_splits (int): Equal parts N of the channels between them. Defaults to 4.
        size (int): Side of the square map in pixels; wider than any receptive field. Defaults to 33.

    Returns:
        list[set[int]]: For y_1 .. y_N the sides of the squares, in pixels.
    """
    _open(block)
    seen: Dict[Union[int, str], Tensor] = {}

    def replace_entry(module: nn.Module, inputs: Tuple[Tensor, ...], output: Tensor) -> Tensor:
        parts = [torch.ones_like(part, requires_grad=True) for part in output.detach().chunk(num_splits, dim=1)]
        seen.update(enumerate(parts))
        return torch.cat(parts, dim=1)

    def keep_exit(module: nn.Module, inputs: Tuple[Tensor, ...]) -> None:
        seen['y'] = inputs[0]

    handles = [block.get_submodule('entry').register_forward_hook(replace_entry),
               block.get_submodule('exit').register_forward_pre_hook(keep_exit)]
    try:
        block(torch.ones(1, _in_channels(block), size, size))
    finally:
        for handle in handles:
            handle.remove()
    splits = [seen[i] for i in range(num_splits)]
    return [_fields(y, splits) for y in seen['y'].chunk(num_splits, dim=1)]


def step_receptive_fields(block: ResidualStepsBlock, size: int = 33) -> Dict[Tuple[int, int], Fields]:
    """Receptive fields that meet in every step of a residual steps block (Table 1).

    Args:
        block (ResidualStepsBlock): Its weights are overwritten.
        size (int): Side of the square map in pixels; wider than any receptive field. Defaults to 33.

    Returns:
        dict: (i, j), branch and step counted from 1, to the sides of the squares, in pixels.
    """
    _open(block)
    width = block.branches[0][0].in_channels
    splits = [torch.ones(1, width, size, size, requires_grad=True) for _ in range(block.num_branches)]
    outputs: Dict[Tuple[int, int], Tensor] = {}
    handles = [
        step.register_forward_hook(lambda module, inputs, output, key=(i, j): outputs.__setitem__(key, output))
        for i, branch in enumerate(block.branches, 1) for j, step in enumerate(branch, 1)
    ]
    try:
        block.refine(splits)
    finally:
        for handle in handles:
            handle.remove()
    return {key: _fields(output, splits) for key, output in outputs.items()}


def _open(block: nn.Module) -> None:
    """Weights of one, so that nothing cancels, and no ReLU is ever shut."""
    for parameter in block.parameters():
        nn.init.ones_(parameter)
    block.eval()


def _fields(output: Tensor, splits: Sequence[Tensor]) -> Fields:
    centre = output[0, 0, output.shape[-2] // 2, output.shape[-1] // 2]
    if not centre.requires_grad:
        return set()
    gradients = torch.autograd.grad(centre, splits, retain_graph=True, allow_unused=True)
    return {_side(gradient) for gradient in gradients if gradient is not None and gradient.any()}


def _side(gradient: Tensor) -> int:
    """Side of the square in which a gradient (1, C, H, W) is not zero."""
    rows, columns = gradient[0].any(dim=0).nonzero(as_tuple=True)
    height, width = (int(index.max() - index.min()) + 1 for index in (rows, columns))
    if height != width:
        raise ValueError(f'The receptive field is {width} x {height} pixels: this is for blocks that treat rows and columns '
                         'alike.')
    return height


def _in_channels(block: nn.Module) -> int:
    return next(module.in_channels for module in block.get_submodule('entry').modules() if isinstance(module, nn.Conv2d))
