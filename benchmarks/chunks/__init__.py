"""Parts of run_chunking.py: the quality and speed of strategies."""
