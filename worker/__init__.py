"""The GPU worker: claims jobs, runs them, and sweeps up after workers that died."""
