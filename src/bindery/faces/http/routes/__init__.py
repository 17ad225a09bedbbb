"""Bindery's own routes: files, chunks, jobs, models, rotations."""
