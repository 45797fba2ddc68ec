"""MMCV's compiled ops in plain PyTorch and numpy: those that pose estimators and their detectors reach.

One file for each family. :mod:`~rsn_mm.compat.ops.ext` gathers them under the names of MMCV's extension module.
"""
