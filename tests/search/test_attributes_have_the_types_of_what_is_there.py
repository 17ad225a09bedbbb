"""Types of attributes come from files that are there or on their way, and from no others."""

import pytest

from bindery.errors import InvalidValue, UnknownFile
from bindery.jobs import FileState, Jobs
from bindery.jobs.sources import LocalFiles
from bindery.search.local_files import find_local

TEXT = "The heliotrope turns to the sun."


def test_a_filter_knows_an_attribute_as_soon_as_files_with_it_are_accepted(sample):
    sample.add({"a.txt": TEXT})
    assert sample.found("heliotrope") == ["a.txt"]
    with pytest.raises(InvalidValue, match="Unknown attribute 'year'"):
        sample.found("heliotrope", filter="year = 2024")

    sample.collection.request(["b.txt"], attributes={"year": 2024})

    assert sample.found("heliotrope", filter="year = 2024") == []


def test_a_type_that_a_failed_file_has_fixed_does_not_stay(sample):
    path = sample.folder / "broken.pdf"
    path.write_bytes(b"%PDF-1.7 broken")
    source = LocalFiles({"broken.pdf": path}, timeout_s=60, limit_bytes=1 << 20)
    jobs = Jobs(sample.library, source=source)
    job = jobs.submit(sample.collection.request(["broken.pdf"], attributes={"year": 2024}))
    with pytest.raises(InvalidValue, match="it is a number, got a text"):
        sample.collection.request(["a.txt"], attributes={"year": "MMXXIV"})
    jobs.run(job.id)
    assert [file.state for file in jobs.files(job.id)] == [FileState.FAILED]

    sample.add({"a.txt": TEXT}, year="MMXXIV")

    assert sample.found("heliotrope", filter='year = "MMXXIV"') == ["a.txt"]


def test_a_type_that_removed_files_have_fixed_does_not_stay(sample):
    sample.add({"a.txt": TEXT, "b.txt": TEXT}, year=2024)
    sample.add({"c.txt": 'It has "year": in it.'}, note='"year":')
    sample.collection.remove([sample.name("a.txt")])
    with pytest.raises(InvalidValue, match="it is a number, got a text"):
        sample.add({"d.txt": TEXT}, year="MMXXIV")
    sample.collection.set_attributes(sample.name("b.txt"), {"year": "MMXXIV"})
    assert sample.found("heliotrope", filter='year = "MMXXIV"') == ["b.txt"]
    sample.collection.remove([sample.name("b.txt")])

    sample.add({"d.txt": TEXT}, year=True)

    assert sample.found("heliotrope", filter="year = true") == ["d.txt"]


def test_a_file_may_have_a_long_path(sample):
    name = "/".join(["d" * 60] * 12) + "/a.txt"
    sample.add({name: TEXT})
    assert len(str(sample.folder / name)) > 700
    assert sample.found("heliotrope") == [name]


def test_a_name_that_is_too_long_for_the_disk_is_one_that_does_not_exist(sample):
    with pytest.raises(UnknownFile, match="There is no file"):
        find_local(["x" * 300], sample.collection.files())
