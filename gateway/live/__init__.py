"""Event streams -> one stream of server-sent events a client (docs/live.md)."""
