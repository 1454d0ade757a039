"""Re-identification experiment."""
