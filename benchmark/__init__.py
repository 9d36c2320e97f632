"""Speed and memory of the engine at true size, measured the same way on every machine."""
