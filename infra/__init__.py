"""What the platform runs on: embedded parts, broker configuration, charts."""
