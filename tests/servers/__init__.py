"""Real servers for tests: private, on loopback, started once per session and gone with it."""
