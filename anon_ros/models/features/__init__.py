"""Networks that measure images: embedders, Inception, LPIPS."""
