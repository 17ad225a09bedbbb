"""The REST API: each route parses, makes one library call and answers."""
