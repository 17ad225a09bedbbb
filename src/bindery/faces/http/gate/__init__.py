"""The checks before a request reaches a route: limits, origins, keys and scopes."""
