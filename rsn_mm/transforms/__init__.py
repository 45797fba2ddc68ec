"""Pipeline steps that MMPose lacks."""
from .loading import LoadImage
from .visibility import LoadVisibility

__all__ = ['LoadImage', 'LoadVisibility']
