"""Singer tap for Siro."""
