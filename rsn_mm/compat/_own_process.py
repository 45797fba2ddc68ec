"""Whether a process is that of a command of this package."""
_own = False


def claim_process() -> None:
    """Say that nobody else's code runs in this process, which minds what is imported when, or when garbage is looked for."""
    global _own
    _own = True


def is_own_process() -> bool:
    return _own
