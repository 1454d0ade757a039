"""Content of messages of any type: pictures, sounds and personal data that hide in them."""
