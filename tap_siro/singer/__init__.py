"""Messages out: what is built on the SDK and its internals."""
