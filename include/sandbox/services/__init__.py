"""Hold one module for each service of the sandbox."""
