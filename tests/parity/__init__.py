"""Hold this engine against reference numbers, stage by stage: `python -m tests.parity DIR`."""
