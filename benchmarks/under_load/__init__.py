"""The sections of run_service.py, one per file, and what they share."""
