"""What makes batches go on: sources are read into lines, lines become jobs, ends are reported."""
