"""The formats that are read: one reader a file, and what several of them share."""
