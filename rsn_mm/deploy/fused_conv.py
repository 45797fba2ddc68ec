"""A convolution with all that follows it: normalisation, a sum, ReLU."""
import copy
from typing import Any, Callable, Optional, Tuple, cast

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

REFUSAL = ('A fused model only predicts: its norms are folded into the convolutions, so it can neither be trained nor give a '
           'loss. Train the model that it was made of, and call rsn_mm.deploy.fuse on that again.')


class FusedConv(nn.Module):
    """``relu(conv(x) + add)`` with a batch norm's fixed statistics in the weights. For prediction only.

    On a CPU in float32 oneDNN does all of it in one pass, with weights in the layout that it wants, kept from call to
    call. On a GPU cuDNN does, where a ReLU ends it. Elsewhere, under autocast, while a graph is exported or compiled, and
    where a gradient is asked for, the same is plain tensor operations.

    Args:
        conv (nn.Conv2d): The convolution, with zero padding.
        norm (_BatchNorm, optional): What follows it.
        relu (bool): Whether a ReLU ends it.

    Shape:
        - Input: (B, in_channels, H, W); ``add``: what the output has, or nothing.
        - Output: (B, out_channels, H', W'), channels last in memory.
    """

    def __init__(self, conv: nn.Conv2d, norm: Optional[_BatchNorm] = None, relu: bool = False) -> None:
        super().__init__()
        self.set_weight(*_folded(conv, norm))
        self.stride, self.dilation, self.groups = conv.stride, conv.dilation, conv.groups
        self.padding = cast(Tuple[int, ...], conv.padding)  # fused_conv_module takes no words
        self.relu = relu
        self._cudnn_refuses = False
        self.eval()

    def forward(self, x: Tensor, add: Optional[Tensor] = None) -> Tensor:
        if self._onednn_takes(x):
            return self._forward_onednn(x, add)
        if self._cudnn_takes(x):
            try:
                return self._forward_cudnn(x, add)
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError:  # no such kernel in this cuDNN, for this GPU and these sizes
                self._cudnn_refuses = True
        x = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        if add is not None:
            x = x + add
        return x.relu_() if self.relu else x

    def train(self, mode: bool = True) -> 'FusedConv':
        if mode:
            raise RuntimeError(REFUSAL)
        return super().train(False)

    def set_weight(self, weight: Tensor, bias: Tensor) -> None:
        """Take other weights, of another width perhaps."""
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self._packed: Optional[Tensor] = None

    def extra_repr(self) -> str:
        out_channels, in_channels, *kernel_size = self.weight.shape
        return (f'{in_channels * self.groups}, {out_channels}, kernel_size={tuple(kernel_size)}, stride={self.stride}, '
                f'relu={self.relu}')

    def _onednn_takes(self, x: Tensor) -> bool:
        return (ONEDNN and not torch.compiler.is_compiling() and not torch.jit.is_tracing() and x.device.type == 'cpu'
                and x.dtype == self.weight.dtype == torch.float32 and not x.requires_grad
                and not torch.is_autocast_enabled('cpu') and x.numel() > 0 and bool(torch.backends.mkldnn.enabled))

    def _forward_onednn(self, x: Tensor, add: Optional[Tensor]) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        if self._packed is None:
            self._packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, self.padding, self.stride, self.dilation, self.groups, x.shape)
        arguments = (self._packed, self.bias, self.padding, self.stride, self.dilation, self.groups)
        if add is None:
            return torch.ops.mkldnn._convolution_pointwise(x, *arguments, 'relu' if self.relu else 'none', [], None)
        add = add.contiguous(memory_format=torch.channels_last)
        return torch.ops.mkldnn._convolution_pointwise(
            x, add, *arguments, 'add', 1.0, 'relu' if self.relu else None, [], None)

    def _cudnn_takes(self, x: Tensor) -> bool:
        return (CUDNN and self.relu and x.is_cuda and not self._cudnn_refuses and torch.backends.cudnn.enabled
                and x.dtype == self.weight.dtype and not x.requires_grad and not torch.compiler.is_compiling()
                and not torch.jit.is_tracing() and not torch.is_autocast_enabled('cuda') and x.numel() > 0)

    def _forward_cudnn(self, x: Tensor, add: Optional[Tensor]) -> Tensor:
        # Not cudnn_convolution_relu: it has cuDNN add 0 times what lies in the memory of the result, which may be NaN.
        add, factor = (self._nothing(x), 0.) if add is None else (add, 1.)
        return torch.cudnn_convolution_add_relu(
            x, self.weight, add, factor, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def _nothing(self, x: Tensor) -> Tensor:
        """Of the output's size, channels last, to be added 0 times: the input where it is as large, else zeros."""
        height, width = ((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for size, padding, dilation, kernel,
                         stride in zip(x.shape[2:], self.padding, self.dilation, self.weight.shape[2:], self.stride))
        if x.shape[1:] == (len(self.weight), height, width) and x.is_contiguous(memory_format=torch.channels_last):
            return x  # nothing has to be filled; what is infinite in it spoils the output either way
        return x.new_zeros(len(x), height, width, len(self.weight)).permute(0, 3, 1, 2)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> 'FusedConv':
        self._packed = None  # the weights move or change their type
        return super()._apply(fn, recurse)

    def _load_from_state_dict(self, *args: Any) -> None:
        self._packed = None
        super()._load_from_state_dict(*args)

    def __getstate__(self) -> dict:
        return dict(self.__dict__, _packed=None)  # copies and pickles pack anew


def _onednn_available() -> bool:
    """The operators that torch.compile lowers convolutions to. They are not public: absent, plain ones stand in."""
    names = ('_reorder_convolution_weight', '_convolution_pointwise')
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


ONEDNN = _onednn_available()
CUDNN = hasattr(torch, 'cudnn_convolution_add_relu')


def fused_conv_module(module: ConvModule) -> Optional[nn.Module]:
    """A :class:`FusedConv` in place of a ``ConvModule``, followed by its activation if that is no ReLU.

    Nothing is shared with it. Returns None where a norm depends on its input, or padding, order or kind of convolution is
    another than usual.
    """
    norm = module.norm if module.with_norm else None
    if not (type(module) is ConvModule and type(module.conv) is nn.Conv2d and module.order == ('conv', 'norm', 'act')
            and _pads_with_zeros(module) and not module.with_spectral_norm and _is_fixed(norm)):
        return None
    activation = module.activate if module.with_activation else None
    relu = type(activation) is nn.ReLU
    conv = FusedConv(module.conv, norm, relu)
    return conv if activation is None or relu else nn.Sequential(conv, copy.deepcopy(activation))


def _pads_with_zeros(module: ConvModule) -> bool:
    return (not module.with_explicit_padding and module.conv.padding_mode == 'zeros'
            and not isinstance(module.conv.padding, str))


def _is_fixed(norm: Optional[nn.Module]) -> bool:
    return norm is None or isinstance(norm, _BatchNorm) and norm.running_mean is not None


def _folded(conv: nn.Conv2d, norm: Optional[_BatchNorm]) -> Tuple[Tensor, Tensor]:
    """Weight and bias of a convolution and the batch norm after it, computed in float64."""

    def exact(tensor: Tensor) -> Tensor:
        return tensor.detach().to('cpu', torch.float64)

    weight = exact(conv.weight)
    bias = weight.new_zeros(len(weight)) if conv.bias is None else exact(conv.bias)
    if norm is not None:
        assert norm.running_mean is not None and norm.running_var is not None
        scale = (exact(norm.running_var) + norm.eps).rsqrt()
        if norm.affine:
            scale = scale * exact(norm.weight)
        bias = (bias - exact(norm.running_mean)) * scale
        if norm.affine:
            bias = bias + exact(norm.bias)
        weight = weight * scale[:, None, None, None]
    return weight.to(conv.weight), bias.to(conv.weight)
