"""`python -m ftops.server`."""

from __future__ import annotations

import sys

from ftops.server.main import main

sys.exit(main(sys.argv[1:]))
