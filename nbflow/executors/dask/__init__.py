"""A Dask cluster as the place where tasks run: the kernel's half, and what its workers do (`worker_host`)."""
