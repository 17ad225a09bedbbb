"""One file per format, and what several of them share."""
