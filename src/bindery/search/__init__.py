"""Search: words and meaning over the chunks of a collection, and how every hit came about."""
