"""Models in the formats of other programs: ONNX, and the ``.mat`` files of simpleNN."""
