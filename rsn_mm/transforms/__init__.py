"""Pipeline steps that MMPose lacks."""
from .box_extension import RandomBoxExtension, RandomHalfBodyBox, UniformBBoxTransform
from .loading import LoadImage
from .visibility import LoadVisibility

__all__ = ['LoadImage', 'LoadVisibility', 'RandomBoxExtension', 'RandomHalfBodyBox', 'UniformBBoxTransform']
