"""The process of its own in which documents are parsed, and what it may do there."""
