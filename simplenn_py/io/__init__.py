"""Files on disk: atomic writing, ``.npz`` and ``.mat`` files, strict JSON, damaged files."""
