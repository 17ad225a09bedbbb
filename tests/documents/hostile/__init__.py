"""Documents made to do harm, each by a few lines of program: none is kept as a file."""
