"""The fused forms, in Triton: imported only where they run."""
