"""Remote vendors: their APIs, and the client that sends requests to them."""
