"""``python -m simplenn_py`` is the command ``simplenn``."""

import sys

from .cli import main

sys.exit(main())
