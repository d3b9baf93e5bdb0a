"""What is read next, and how far each stream has got."""
