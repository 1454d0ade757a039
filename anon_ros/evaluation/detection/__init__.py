"""Detection experiment."""
