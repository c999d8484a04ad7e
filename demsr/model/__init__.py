"""The net, what it must beat, and its files."""
