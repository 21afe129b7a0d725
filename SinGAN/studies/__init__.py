"""Studies: several trainings of one picture under several settings, measured and compared."""
