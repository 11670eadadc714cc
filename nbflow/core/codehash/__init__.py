"""The makings of a function: looked at, remembered as it was at one moment, and told from what it is now."""
