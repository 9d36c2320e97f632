"""Rows, objects and the address of a queue: everything about a job but the work itself."""
