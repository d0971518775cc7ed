"""Export of trained networks to ONNX, and evaluation of exported files."""
