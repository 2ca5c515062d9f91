"""The rules of users and sessions: their states, the tables of their lives, what each command does to them."""
