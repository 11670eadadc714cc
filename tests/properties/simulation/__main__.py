"""The campaign, from the shell."""

from __future__ import annotations

from tests.properties.simulation.campaign import main

main()
