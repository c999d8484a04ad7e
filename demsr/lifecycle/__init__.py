"""The life of a model after training: registration, promotion, comparison, import of other implementations."""
