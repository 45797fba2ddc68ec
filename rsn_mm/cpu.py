"""What this CPU can do."""
from functools import cache
from pathlib import Path
from typing import Tuple

# Features that decide how fast networks run, in Linux' names.
FEATURES = ('avx2', 'avx512f', 'avx512_vnni', 'avx_vnni', 'avx512_bf16', 'amx_bf16', 'amx_int8', 'asimd', 'asimddp', 'i8mm',
            'bf16')
# Any of them multiplies bfloat16 faster than float32; elsewhere bfloat16 is emulated, and slower.
BFLOAT16_FEATURES = ('avx512_bf16', 'amx_bf16')


@cache
def cpu_features() -> Tuple[str, ...]:
    """Which of :data:`FEATURES` this CPU has; none where the system does not list them."""
    info = Path('/proc/cpuinfo')
    if not info.is_file():
        return ()
    for line in info.read_text().splitlines():
        if line.lower().startswith(('flags', 'features')):
            flags = set(line.split(':', 1)[1].split())
            return tuple(feature for feature in FEATURES if feature in flags)
    return ()
