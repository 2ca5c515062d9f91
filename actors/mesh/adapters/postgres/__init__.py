"""The journal and the rows beside it in PostgreSQL: one schema and one role a domain."""
