"""The rules of a payment: its state, the table of its life, what each command does, and what the ledger is told."""
