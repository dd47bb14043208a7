"""Prune fitted ensembles to a budget."""
