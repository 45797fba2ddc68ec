"""RSN-18 on Leeds Sports Pose and its extension at half the size, for CPUs. Its weights are part of the package."""
_base_ = 'rsn18_lsp_256x192.py'
from rsn_mm.input_size import set_input_size  # above _base_ it would make a lazy config for MMEngine

# Crops, codecs and head, with half of the Gaussians of 256x192.
set_input_size(_base_, (96, 128), kernel_size=(9, 7, 5, 5, 3), blur_kernel_size=3)
