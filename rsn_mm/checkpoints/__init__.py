"""Weights of other code bases: their names, their files, and what turns them into ours and back."""
