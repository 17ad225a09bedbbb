"""What a model is, where its files come from, and whether they are the right ones."""
