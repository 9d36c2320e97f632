"""The routes, one file per thing that they are about."""
