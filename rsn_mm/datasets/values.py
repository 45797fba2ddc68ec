"""What counts as a number, as numbers and as a region in a file."""
import math
from typing import Any, Optional


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def are_finite(values: Any, count: Optional[int] = None) -> bool:
    """Whether it is a list of finite numbers, and of so many. A sum tells at once, unless it is infinite by itself."""
    if not isinstance(values, (list, tuple)) or count not in (None, len(values)):
        return False
    try:
        return math.isfinite(sum(values)) or all(math.isfinite(value) for value in values)
    except (TypeError, OverflowError):
        return False


def is_region(region: Any) -> bool:
    """Whether it is a list of polygons, each of at least three points (x, y, x, y, ...), or a run-length code."""
    if isinstance(region, dict):
        size: Any = region.get('size')
        counts = region.get('counts')
        return are_finite(size, 2) and all(type(side) is int and side > 0 for side in size) and (
            isinstance(counts, (str, bytes)) or are_finite(counts))
    if not isinstance(region, list):
        return False
    for polygon in region:  # all() takes twice as long for one polygon, as most have.
        if not (isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0 and are_finite(polygon)):
            return False
    return True
