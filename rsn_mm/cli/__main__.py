"""``python -m rsn_mm.cli``: the command ``rsn-mm`` without its script."""
import sys

from .main import main

sys.exit(main())
