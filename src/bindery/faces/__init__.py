"""How people and programs reach Bindery: Python, the command line and HTTP."""
