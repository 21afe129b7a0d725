"""What is minimised, and one step of it."""
