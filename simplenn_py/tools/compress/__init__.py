"""``simplenn compress``: a smaller network by low rank."""
