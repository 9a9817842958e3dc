"""A model as other programs store it: ONNX, and the ``.mat`` of simpleNN."""
