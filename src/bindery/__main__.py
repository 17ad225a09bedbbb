"""``python -m bindery``: the command line."""

from bindery.faces.cli import main

if __name__ == "__main__":
    main()
