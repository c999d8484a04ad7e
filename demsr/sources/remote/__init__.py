"""Products that are fetched over HTTP: what they are, where their files lie, and how files arrive whole."""
