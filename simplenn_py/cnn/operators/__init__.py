"""The operators of the lecture, one per file: arrays in, arrays out."""
