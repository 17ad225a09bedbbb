"""What the server reports about itself: metrics, traces, the request log, timings."""
