"""Files: atomic writing, archives of arrays, simpleNN's ``.mat``, ONNX."""
