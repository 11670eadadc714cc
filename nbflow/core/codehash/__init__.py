"""What a function is made of: looked at, remembered as it was at one moment, and told from what it is now."""
