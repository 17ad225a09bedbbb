"""What a request passes before it reaches a route: limits, origins, keys and scopes."""
