"""Models: their description, the sources of their files, and the verification of those files."""
