"""The life of a model after training: registration, promotion, import of other implementations."""
