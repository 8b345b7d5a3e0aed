"""One module per stage: inputs in, artifact out."""
