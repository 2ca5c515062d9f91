"""Users: people with an account, what they may do, and the sessions they are logged in by."""

from actors.mesh import Actor

actor = Actor(name="users")
