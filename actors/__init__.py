"""The services: one package a domain, and the mesh they run on."""
