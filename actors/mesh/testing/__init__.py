"""What tests of the mesh and of its domains are written with."""
