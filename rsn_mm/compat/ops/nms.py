"""Non-maximum suppression: hard, soft, and with the groups that it forms."""
from typing import List

import numpy as np
import torch

from .backend import extension_op, torchvision_kernel, working_precision

# Rows of the IoU matrix that are computed at a time.
_BLOCK = 64


@extension_op
def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int) -> torch.Tensor:
    """Keep boxes from high to low score; each one removes the later boxes with an IoU above the threshold.

    Args:
        boxes (Tensor): shape (N, 4), as x1, y1, x2, y2.
        scores (Tensor): shape (N,).
        iou_threshold (float): IoU, 0..1, that a removed box exceeds. An IoU of 0 / 0 removes nothing.
        offset (int): 0 or 1, added to widths and heights (1 where x2 and y2 are the last pixels inside).

    Returns:
        Tensor: int64 (M,), indices of the boxes kept, by falling score. Equal scores stay in the order that
        ``Tensor.sort`` gives them, as in MMCV; torchvision's kernel keeps their order.

    Source:
        MMCV's op; its CPU kernel accepts float32 only.
    """
    if boxes.numel() == 0:
        return torch.empty(0, dtype=torch.long, device=boxes.device)
    boxes = working_precision(boxes)
    kernel = torchvision_kernel('nms', boxes.device) if offset == 0 else None
    if kernel is not None:
        return kernel(boxes, scores.to(boxes.dtype), iou_threshold)
    order = scores.sort(0, descending=True)[1]
    keep = _greedy(np.ascontiguousarray(boxes[order].cpu().numpy().T), iou_threshold, offset)
    return order[torch.from_numpy(keep).to(order.device)]


@extension_op
def softnms(boxes: torch.Tensor, scores: torch.Tensor, dets: torch.Tensor, iou_threshold: float, sigma: float,
            min_score: float, method: int, offset: int) -> torch.Tensor:
    """Pick boxes from high to low score; each one lowers the scores of the boxes that it overlaps.

    Args:
        boxes (Tensor): shape (N, 4), on the CPU, as x1, y1, x2, y2.
        scores (Tensor): shape (N,), on the CPU.
        dets (Tensor): (N, 5), is filled: boxes as picked, and their scores at that time. Rows after the last one picked
            stay as they are.
        iou_threshold (float): methods 0 and 1 act on an IoU of this or more.
        sigma (float): width of method 2.
        min_score (float): boxes that fall below are dropped.
        method (int): what a score is multiplied by: 0 (naive) by 0, 1 (linear) by 1 - IoU, 2 (gaussian) by
            exp(-IoU^2 / sigma).
        offset (int): 0 or 1, added to widths and heights.

    Returns:
        Tensor: int64 (M,), indices of the boxes picked, in this order.
    """
    if boxes.numel() == 0:
        return torch.empty(0, dtype=torch.long)
    sides = working_precision(boxes).numpy().T.copy()
    values = working_precision(scores).numpy().copy()
    indices = np.arange(len(values))
    picked = 0
    with np.errstate(divide='ignore', invalid='ignore'):
        while picked < len(values):
            _move_best_to(picked, sides, values, indices)
            iou = _iou(sides[:, picked:picked + 1], sides[:, picked + 1:], offset)[0]
            values[picked + 1:] *= _decay(iou, iou_threshold, sigma, method)
            picked += 1
            dropped = values[picked:] < values.dtype.type(min_score)
            if dropped.any():
                remaining = _remaining(picked, dropped)
                sides, values, indices = sides[:, remaining], values[remaining], indices[remaining]
    dets[:picked] = torch.from_numpy(np.vstack((sides, values)).T).to(dets)
    return torch.from_numpy(indices)


@extension_op
def nms_match(dets: torch.Tensor, iou_threshold: float) -> List[List[int]]:
    """Hard NMS that also tells which boxes each kept box removed.

    Args:
        dets (Tensor): shape (N, 5), on the CPU, as x1, y1, x2, y2, score.
        iou_threshold (float): IoU, 0..1, that a removed box has or exceeds.

    Returns:
        list[list[int]]: one list for each kept box: its index, then those of the boxes it removed, by falling score.
    """
    dets = working_precision(dets)
    order = dets[:, 4].sort(0, descending=True)[1].numpy()
    sides = np.ascontiguousarray(dets[:, :4].numpy()[order].T)
    threshold = sides.dtype.type(iou_threshold)
    groups: List[List[int]] = []
    waiting = np.arange(len(order))
    with np.errstate(divide='ignore', invalid='ignore'):
        while len(waiting):
            best, later = waiting[0], waiting[1:]
            removed = _iou(sides[:, best:best + 1], sides[:, later], 0)[0] >= threshold
            groups.append(order[np.append(best, later[removed])].tolist())
            waiting = later[~removed]
    return groups


def _greedy(sides: np.ndarray, iou_threshold: float, offset: int) -> np.ndarray:
    """Positions (M,) of the boxes kept out of sorted ones, given as (4, N)."""
    threshold = sides.dtype.type(iou_threshold)
    alive = np.ones(sides.shape[1], dtype=bool)
    with np.errstate(divide='ignore', invalid='ignore'):
        for start in range(0, len(alive), _BLOCK):
            stop = start + _BLOCK
            block = start + np.flatnonzero(alive[start:stop])
            removes = _iou(sides[:, block], sides[:, block], offset) > threshold
            kept = np.ones(len(block), dtype=bool)
            for row in range(len(block)):
                if kept[row]:
                    kept[row + 1:] &= ~removes[row, row + 1:]
            alive[block[~kept]] = False
            later = stop + np.flatnonzero(alive[stop:])
            alive[later] = ~(_iou(sides[:, block[kept]], sides[:, later], offset) > threshold).any(axis=0)
    return np.flatnonzero(alive)


def _iou(sides1: np.ndarray, sides2: np.ndarray, offset: int) -> np.ndarray:
    """IoU (A, B) of boxes given as x1, y1, x2, y2 in arrays (4, A) and (4, B), in their precision; NaN for 0 / 0."""
    left1, top1, right1, bottom1 = sides1[:, :, None]
    left2, top2, right2, bottom2 = sides2
    width = np.maximum(np.minimum(right1, right2) - np.maximum(left1, left2) + offset, 0)
    height = np.maximum(np.minimum(bottom1, bottom2) - np.maximum(top1, top2) + offset, 0)
    area1 = (right1 - left1 + offset) * (bottom1 - top1 + offset)
    area2 = (right2 - left2 + offset) * (bottom2 - top2 + offset)
    intersection = width * height
    return intersection / (area1 + area2 - intersection)


def _decay(iou: np.ndarray, iou_threshold: float, sigma: float, method: int) -> np.ndarray:
    """What the scores of boxes with this IoU are multiplied by."""
    dtype = iou.dtype.type
    if method == 2:
        # Rounded from double precision, as the exponential of the C library: the last bit decides between near ties.
        return np.exp(-(iou * iou) / dtype(sigma), dtype=np.float64).astype(iou.dtype)
    if method in (0, 1):
        lowered = 1 - iou if method == 1 else np.zeros_like(iou)
        return np.where(iou >= dtype(iou_threshold), lowered, dtype(1))
    return np.ones_like(iou)


def _move_best_to(position: int, sides: np.ndarray, values: np.ndarray, indices: np.ndarray) -> None:
    """Swap the box of the highest score from ``position`` on with the one at ``position``, in all three arrays."""
    best = position + int(values[position:].argmax())
    if np.isnan(values[best]):  # the maximum for argmax; in MMCV's loop neither greater nor smaller than anything
        if np.isnan(values[position]):
            return
        best = position + int(np.where(np.isnan(values[position:]), -np.inf, values[position:]).argmax())
    for array in (sides, values, indices):
        array[..., [position, best]] = array[..., [best, position]]


def _remaining(first: int, dropped: np.ndarray) -> np.ndarray:
    """Which positions remain, in which order, when the last one takes the place of each one dropped.

    Args:
        first (int): the positions before it all remain.
        dropped (ndarray): bool, for each position from ``first`` on.

    Returns:
        ndarray: int64 positions. Their order decides between equal scores later, so it must be that of MMCV's loop.
    """
    survivors = np.flatnonzero(~dropped)
    order = np.arange(len(survivors))
    order[dropped[:len(survivors)]] = survivors[survivors >= len(survivors)][::-1]
    return np.concatenate((np.arange(first), first + order))
