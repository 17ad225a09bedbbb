"""What is kept between runs.

::

    database/                   the catalog in SQL, which these stand on:
    files.py, blobs.py          what users uploaded (opening.py, older_homes.py)
    derived.py, jobs.py         what was made of it, and the work under way
    rotations.py, keys.py       need no database

Nothing is imported here: what needs no database does not wait for its library.
"""
