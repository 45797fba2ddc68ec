"""Batches whose images travel as one tensor."""
from typing import Any, Dict, Optional, Sequence

from torch.utils.data import default_collate


def stack_inputs(samples: Sequence[Dict[str, Any]], _scope_: Optional[str] = None) -> Dict[str, Any]:
    """Stack the images of a batch where it is made, so that they reach the main process and the device in one piece.

    Args:
        samples (Sequence[dict]): What ``PackPoseInputs`` makes: ``inputs``, uint8 tensors (3, h, w) of one size, and more.
        _scope_ (str, optional): Not used. MMEngine notes it in a config that is inherited by ``rsn_mm::``, and its runner hands
            it on.

    Returns:
        dict: ``inputs``, uint8 (B, 3, h, w), and of every other key the list of the samples' values.
    """
    batch = {key: [sample[key] for sample in samples] for key in samples[0]}
    return dict(batch, inputs=default_collate(batch['inputs']))
