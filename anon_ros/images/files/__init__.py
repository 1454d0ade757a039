"""JPEG and PNG as files: parts, orientation, color profiles."""
