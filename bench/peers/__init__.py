"""The processes that are measured: each is one peer's server or the client that loads it."""
