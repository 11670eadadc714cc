"""How a run proceeds: the pure scheduler, one attempt of one task, block lifetimes, the run loop and its handle."""
