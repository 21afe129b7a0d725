"""The instant engine: pictures made of the training picture's own patches, without training."""
