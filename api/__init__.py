"""The REST service: requests in, rows and signed links out. No torch, no work on videos."""
