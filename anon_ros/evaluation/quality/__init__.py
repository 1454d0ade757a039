"""Image quality experiment."""
