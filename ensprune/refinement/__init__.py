"""Fitting leaf values anew: arrays and sparse systems, never an estimator."""

from .strength import Strength

__all__ = ["Strength"]
