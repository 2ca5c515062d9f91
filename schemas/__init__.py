"""THE CONTRACT: all that crosses the wire. Imports msgspec and nothing of ours."""
