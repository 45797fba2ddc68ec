"""What the data pipeline has packed, on its way to the device: a copy for each field of a batch, not for each person."""
from typing import Any, Dict, List, Sequence, Tuple

import torch
from mmengine.structures import BaseDataElement
from mmpose.structures import MultilevelPixelData
from torch import Tensor

Place = Tuple[Dict[str, Any], str]


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on ``device``, from pinned memory: from other memory a driver may wait for the copy."""
    return (tensor.pin_memory() if device.type == 'cuda' else tensor).to(device, non_blocking=True)


def send_samples(samples: Sequence[BaseDataElement], device: torch.device) -> None:
    """Replace the tensors of data samples by equal ones on ``device``.

    Tensors of the same name and shape travel together: MMEngine sends target maps person by person, from memory that is
    not pinned. Samples without tensors, as those of which the head draws the targets, are not touched.
    """
    places: Dict[Any, List[Place]] = {}
    for sample in samples:
        for name, place in _tensors(sample):
            places.setdefault(name, []).append(place)
    for found in places.values():
        tensors = [fields[key] for fields, key in found]
        alike = len({(tensor.shape, tensor.dtype, tensor.device) for tensor in tensors}) == 1
        if alike and tensors[0].device.type == 'cpu' != device.type:
            sent: Sequence[Tensor] = send(torch.stack(tensors), device).unbind()
        else:
            sent = [tensor.to(device, non_blocking=True) for tensor in tensors]
        for (fields, key), tensor in zip(found, sent):
            fields[key] = tensor


def _tensors(element: BaseDataElement, name: Tuple = ()) -> List[Tuple[Tuple, Place]]:
    """Name and place of each tensor in a data element and in those that it holds."""
    if isinstance(element, MultilevelPixelData):
        for key in element.keys():
            vars(element).pop(key, None)  # a second list of the same tensors: without it, the levels are asked
        return [found for i, level in enumerate(element.levels()) for found in _tensors(level, (*name, i))]
    found = []
    for key, value in element.items():
        if isinstance(value, Tensor):
            found.append(((*name, key), (vars(element), key)))
        elif isinstance(value, BaseDataElement):
            found += _tensors(value, (*name, key))
    return found
