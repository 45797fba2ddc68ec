"""Focal losses, element by element (sigmoid) and row by row (softmax)."""
from typing import Optional, Tuple

import torch

from .backend import extension_op, working_precision

# Probabilities are clipped here before their logarithm is taken, as in MMCV (the smallest normal float32).
_TINY = torch.finfo(torch.float32).tiny


@extension_op
def sigmoid_focal_loss_forward(input: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, output: torch.Tensor,
                               gamma: float, alpha: float) -> None:
    """Fill ``output`` with the loss of each element.

    Args:
        input (Tensor): logits, shape (N, C).
        target (Tensor): int64 (N,), the class of each row; C, or any other number outside 0..C-1, for background.
        weight (Tensor): shape (C,), factor of a row by its class, or empty for none. Background rows get 1 (MMCV reads
            past the end of the tensor).
        output (Tensor): shape (N, C), is filled.
        gamma (float): power of the probability of the wrong answer.
        alpha (float): weight of the positive elements, 0..1; negative ones get 1 - alpha.

    Source:
        MMCV's op, which runs on CUDA only.
    """
    p, positive, rows = _sigmoid_terms(input, target, weight)
    of_positive = (1 - p)**gamma * p.clamp(min=_TINY).log()
    of_negative = p**gamma * (1 - p).clamp(min=_TINY).log()
    output.copy_(-torch.where(positive, alpha * of_positive, (1 - alpha) * of_negative) * rows)


@extension_op
def sigmoid_focal_loss_backward(input: torch.Tensor, target: torch.Tensor, weight: torch.Tensor,
                                grad_input: torch.Tensor, gamma: float, alpha: float) -> None:
    """Fill ``grad_input`` with the derivative of each loss by its logit.

    Args:
        grad_input (Tensor): shape (N, C), is filled.

    The other arguments are those of the forward op.
    """
    p, positive, rows = _sigmoid_terms(input, target, weight)
    of_positive = (1 - p)**gamma * (1 - p - gamma * p * p.clamp(min=_TINY).log())
    of_negative = p**gamma * (gamma * (1 - p) * (1 - p).clamp(min=_TINY).log() - p)
    grad_input.copy_(-torch.where(positive, alpha * of_positive, (1 - alpha) * of_negative) * rows)


@extension_op
def softmax_focal_loss_forward(input: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, output: torch.Tensor,
                               gamma: float, alpha: float) -> None:
    """Fill ``output`` with the loss of each row.

    Args:
        input (Tensor): probabilities after softmax, shape (N, C).
        target (Tensor): int64 (N,), the class of each row; negative: the row has no loss.
        weight (Tensor): shape (C,), factor of a row by its class, or empty for none.
        output (Tensor): shape (N,), is filled.
        gamma (float): power of the probability of the wrong answer.
        alpha (float): factor of every row.
    """
    p = _probability_of_target(input, target)
    loss = -alpha * (1 - p)**gamma * p.clamp(min=_TINY).log() * _row_weights(target, weight, input.shape[1], p)
    output.copy_(loss.masked_fill(target < 0, 0))


@extension_op
def softmax_focal_loss_backward(input: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, buff: torch.Tensor,
                                grad_input: torch.Tensor, gamma: float, alpha: float) -> None:
    """Fill ``grad_input`` with the derivatives by the logits, and ``buff`` with what the rows have in common.

    Args:
        buff (Tensor): shape (N,), is filled: p times the derivative of the row's loss by p, its target's probability.
        grad_input (Tensor): shape (N, C), is filled.

    The other arguments are those of the forward op.
    """
    probabilities = working_precision(input)
    p = _probability_of_target(input, target)
    of_power = gamma * (1 - p)**(gamma - 1) * p * p.clamp(min=_TINY).log()
    # At p = 1 its limit is 0, but with gamma below 1 it is computed as infinity times 0.
    of_power = torch.where(p == 1, torch.zeros_like(p), of_power)
    slope = alpha * (of_power - (1 - p)**gamma) * _row_weights(target, weight, input.shape[1], p)
    slope = slope.masked_fill(target < 0, 0)
    buff.copy_(slope)
    is_target = torch.arange(input.shape[1], device=input.device) == target[:, None]
    grad_input.copy_(slope[:, None] * (is_target.to(slope.dtype) - probabilities))


def _sigmoid_terms(input: torch.Tensor, target: torch.Tensor,
                   weight: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Probabilities (N, C), which elements are positive (N, C), and the weight of each row (N, 1)."""
    p = working_precision(input).sigmoid()
    positive = torch.arange(input.shape[1], device=input.device) == target[:, None]
    return p, positive, _row_weights(target, weight, input.shape[1], p)[:, None]


def _row_weights(target: torch.Tensor, weight: Optional[torch.Tensor], classes: int,
                 like: torch.Tensor) -> torch.Tensor:
    """Weight (N,) of each row by its class, 1 where the class is not one of ``classes``."""
    if weight is None or weight.numel() == 0:
        return like.new_ones(len(target))
    known = (target >= 0) & (target < classes)
    return torch.where(known, weight.to(like.dtype)[target.clamp(0, classes - 1)], like.new_ones(()))


def _probability_of_target(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return working_precision(input).gather(1, target.clamp(min=0)[:, None])[:, 0]
