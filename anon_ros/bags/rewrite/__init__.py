"""Anonymizing a bag: two passes from the input to the output."""
