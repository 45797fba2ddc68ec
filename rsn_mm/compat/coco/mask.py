"""Run-length encoded masks: pycocotools' own functions, which xtcocotools left unchanged."""
from pycocotools.mask import area, decode, encode, frPyObjects, iou, merge, toBbox

__all__ = ['area', 'decode', 'encode', 'frPyObjects', 'iou', 'merge', 'toBbox']
