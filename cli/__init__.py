"""The operator's `mesh` command."""
