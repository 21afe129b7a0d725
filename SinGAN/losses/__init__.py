"""What a training minimises: each term once, under its name, and one iteration of the game."""
