"""The cases, one file for each client."""
