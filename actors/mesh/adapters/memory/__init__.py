"""The ports in memory: for tests, simulations and a first look without any server."""
