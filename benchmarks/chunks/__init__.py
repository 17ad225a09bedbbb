"""Parts of run_chunking.py: what a strategy finds, and how fast it cuts."""
