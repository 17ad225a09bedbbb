"""What the service bears: throughput, overload, slow clients, SIGTERM, generated requests, time."""
