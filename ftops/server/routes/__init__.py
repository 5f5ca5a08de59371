"""Paths, each with the few lines that lead from a request to what it does and back."""
