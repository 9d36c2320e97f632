"""The diffusion transformer with locality-constrained sparse attention over cached windows."""
