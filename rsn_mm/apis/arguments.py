"""Whether arguments are what they are called; anything in Python counts as true or false."""
import math
from numbers import Integral, Real

import numpy as np


def check_number(name: str, value: object) -> None:
    """Raise ValueError unless ``value`` is a finite number."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f'{name}={value!r} must be a number, such as 0.3.')


def check_count(name: str, value: object, what: str) -> None:
    """Raise ValueError unless ``value`` is a whole number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f'{name}={value!r} must be a number of {what}.')


def check_flags(**flags: object) -> None:
    """Raise ValueError unless every value is True or False."""
    for name, value in flags.items():
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f'{name}={value!r} must be True or False.')
