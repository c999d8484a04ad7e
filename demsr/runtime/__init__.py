"""Running the program: whole files, seeds, processes, Ray, fingerprints of code and parameters."""
