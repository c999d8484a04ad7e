"""Files over HTTP, whole and checked, into a cache by checksum. Knows nothing of elevation models."""
