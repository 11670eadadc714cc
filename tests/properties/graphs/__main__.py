"""The campaign, from the shell."""

from __future__ import annotations

import sys

from tests.properties.graphs.play import main

sys.exit(main())
