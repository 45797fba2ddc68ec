"""COCO keypoints at 384x288 (height x width)."""
_base_ = 'coco_256x192.py'
from rsn_mm.input_size import set_input_size  # above _base_ it would make a lazy config for MMEngine

# Crops, codecs and head. The Gaussians of the targets grow, too: 1.5 times those of 256x192, to the nearest odd number.
set_input_size(_base_, (288, 384))
