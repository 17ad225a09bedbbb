"""Parts of run_documents.py: how far texts agree."""
