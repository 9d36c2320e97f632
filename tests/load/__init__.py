"""`python -m tests.load`: many jobs with a stub engine through the whole service, timed."""
