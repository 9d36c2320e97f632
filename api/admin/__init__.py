"""The dashboard: server-rendered pages over the same repository as the REST API."""
