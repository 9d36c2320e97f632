"""The `flashvsr` command."""
