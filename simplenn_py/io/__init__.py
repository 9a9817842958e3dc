"""Bytes on disk: atomic files, archives of arrays, MATLAB 5 files, strict JSON, damage."""
