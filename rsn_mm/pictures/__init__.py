"""Pictures from files: one home of the rules by which paths, URLs, uploads and training decode them."""
from .decoding import CutShort, NoPicture, UnusableInput, as_bgr, decode_picture, read_picture

__all__ = ['CutShort', 'NoPicture', 'UnusableInput', 'as_bgr', 'decode_picture', 'read_picture']
