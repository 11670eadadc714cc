"""The campaign, from the shell."""

from __future__ import annotations

import sys

from tests.properties.programs.campaign import main

sys.exit(main())
