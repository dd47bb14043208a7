"""The command ``ensprune``: prune, inspect and compare models from a shell."""
