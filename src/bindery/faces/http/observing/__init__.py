"""Metrics, traces, the request log and the timings of requests."""
