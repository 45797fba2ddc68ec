"""``torchvision.transforms``: the one transform that MMPose uses."""
from typing import TYPE_CHECKING, List, Optional, Tuple, Union

import numpy as np
import torch

from ..torchvision import explain_missing

if TYPE_CHECKING:
    from PIL import Image

__getattr__ = explain_missing('torchvision.transforms')
__path__: List[str] = []  # a package, so that the import of a submodule is explained too
__all__ = ['ToPILImage']

# PIL modes by number of channels, the default first. With one channel the dtype decides.
_MODES = {2: ('LA', ), 3: ('RGB', 'YCbCr', 'HSV'), 4: ('RGBA', 'CMYK', 'RGBX')}
_MODE_OF_DTYPE = {'uint8': 'L', 'int16': 'I;16', 'int32': 'I', 'float32': 'F'}


class ToPILImage:
    """Turns a tensor or an array into a PIL image, as torchvision's transform of this name does.

    Floats of a tensor are read as 0..1, multiplied by 255 and cut down to uint8, unless ``mode`` is F. Values outside
    0..1 are clipped; torchvision leaves them to an undefined conversion.

    Args:
        mode (str, optional): mode of the image. By default L (uint8), I;16 (int16), I (int32) or F (an array of
            float32) for one channel, LA for two, RGB for three, RGBA for four.

    Shape:
        - Input: tensor (C, H, W) or (H, W), array (H, W, C) or (H, W), with C from 1 to 4.
        - Output: image of width W and height H.
    """

    def __init__(self, mode: Optional[str] = None) -> None:
        self.mode = mode

    def __call__(self, pic: Union[torch.Tensor, np.ndarray]) -> 'Image.Image':
        """Convert one picture.

        Raises:
            TypeError: if ``pic`` is neither a tensor nor an array, or its dtype fits no mode.
            ValueError: if its shape fits no mode, or ``mode`` does not fit its shape and dtype.
        """
        from PIL import Image  # here, since only drawing needs it
        array = _to_array(pic, keep_floats=self.mode == 'F')
        height, width, channels = array.shape
        mode = _mode_of(array.dtype.name, channels, self.mode)
        return Image.frombytes(mode, (width, height), np.ascontiguousarray(array).tobytes())

    def __repr__(self) -> str:
        return f'ToPILImage(mode={self.mode!r})'


def _to_array(pic: Union[torch.Tensor, np.ndarray], keep_floats: bool) -> np.ndarray:
    """The picture as an array (H, W, C)."""
    if not isinstance(pic, (torch.Tensor, np.ndarray)):
        raise TypeError(f'pic must be a tensor or an array, got {type(pic).__name__}.')
    if pic.ndim not in (2, 3):
        raise ValueError(f'pic must have 2 or 3 dimensions, got shape {tuple(pic.shape)}.')
    if isinstance(pic, np.ndarray):
        return pic if pic.ndim == 3 else pic[:, :, None]
    pic = pic.detach().cpu()
    if pic.is_floating_point():
        pic = pic.float() if keep_floats else pic.clamp(0, 1).mul(255).byte()
    return (pic if pic.ndim == 3 else pic[None]).permute(1, 2, 0).numpy()


def _mode_of(dtype: str, channels: int, wanted: Optional[str]) -> str:
    """The PIL mode to store ``channels`` values of ``dtype`` per pixel."""
    if channels == 1:
        if dtype not in _MODE_OF_DTYPE:
            raise TypeError(f'pic has dtype {dtype}; with one channel give one of {", ".join(_MODE_OF_DTYPE)}.')
        allowed: Tuple[str, ...] = (_MODE_OF_DTYPE[dtype], )
    elif channels in _MODES:
        if dtype != 'uint8':
            raise TypeError(f'pic has dtype {dtype}; with {channels} channels give uint8, or floats 0..1 as a tensor.')
        allowed = _MODES[channels]
    else:
        raise ValueError(f'pic must have 1 to 4 channels, got {channels}.')
    if wanted is not None and wanted not in allowed:
        raise ValueError(f'mode={wanted!r} does not fit {channels} channel(s) of {dtype}; '
                         f'allowed: {", ".join(allowed)}.')
    return wanted or allowed[0]
