"""Video files to frames and back: probing, reading, writing; no models, no jobs."""
