"""Search: speed and recall beside other indexes."""
