"""Tracking: parameters and metrics of runs for TensorBoard, Weights & Biases, MLflow, Trackio and others."""
