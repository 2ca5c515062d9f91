"""HTTP in, messages out; no rules of any domain."""
