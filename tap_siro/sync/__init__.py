"""Passes, slices and lists: the order of reading, and the position of each stream."""
