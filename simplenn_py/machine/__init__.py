"""``simplenn doctor``: what is right and wrong with this machine."""
