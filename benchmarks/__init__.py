"""nbflow beside its peers, in one run on one machine; `python -m benchmarks.compare` is the way in."""
