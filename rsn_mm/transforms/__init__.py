"""Pipeline steps that MMPose lacks."""
from .box_extension import RandomBoxExtension, RandomHalfBodyBox, UniformBBoxTransform
from .crop import RandomBBoxTransform, TopdownAffine
from .loading import LoadImage, UnreadableImageError
from .picture_edge import RandomPictureEdge
from .targets import GenerateTarget
from .visibility import LoadVisibility

__all__ = [
    'GenerateTarget', 'LoadImage', 'LoadVisibility', 'RandomBBoxTransform', 'RandomBoxExtension', 'RandomHalfBodyBox',
    'RandomPictureEdge', 'TopdownAffine', 'UniformBBoxTransform', 'UnreadableImageError'
]
