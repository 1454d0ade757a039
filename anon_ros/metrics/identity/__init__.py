"""Re-identification, and the noise level that it asks for."""
