"""What the field trains on, read from the files as they are published."""
