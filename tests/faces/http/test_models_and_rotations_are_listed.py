"""``/models`` and ``/rotations`` list everything, with the same fields and with remedies."""

import numpy as np
import pytest

from bindery.faces.http.examples import ROTATION


def test_every_row_of_the_catalog_is_described_alike(client, library):
    answer = client.get("/models").json()
    rows = {row["id"]: row for row in answer["models"]}
    assert list(rows) == list(library.catalog)
    assert answer["total_models"] == len(rows)
    assert len({frozenset(row) for row in rows.values()}) == 1

    vanilla = rows["vanilla"]
    assert (vanilla["state"], vanilla["error"], vanilla["gated"]) == ("loaded", None, False)
    assert vanilla["roles"][:2] == ["query", "document"]
    assert vanilla["verified"]
    gemma = rows["gemma"]
    assert gemma["gated"]
    assert gemma["nested_dimensions"] == [512, 256, 128]
    assert "Classification" in gemma["roles"]
    for row in rows.values():
        answers = row["state"] in ("loaded", "present")
        assert answers == (row["error"] is None)
        if row["error"]:
            assert row["error"]["code"]
            assert row["error"]["remedy"]


def test_a_model_that_is_not_here_says_what_to_do(bare):
    rows = {row["id"]: row for row in bare.get("/models").json()["models"]}
    assert rows["vanilla"]["state"] == "missing"
    assert "bindery preload vanilla" in rows["vanilla"]["error"]["remedy"]


def test_rotations_are_listed_and_described(client, library):
    listed = client.get("/rotations").json()
    assert listed["total_rotations"] == 1
    facts = client.get(f"/rotations/{ROTATION}").json()
    assert listed["rotations"] == [facts]

    rotation = library.rotations.get(ROTATION)
    assert facts["digest"] == rotation.digest
    assert (facts["model"], facts["dimensions"]) == ("vanilla", 384)
    assert (facts["revision"], facts["fitted_on"]) == (rotation.revision, 768)
    assert list(facts["energy"]) == ["256", "192", "128", "96", "64", "32"]
    kept = np.cumsum(rotation.energy)
    expected = [pytest.approx(kept[int(length) - 1], abs=1e-6) for length in facts["energy"]]
    assert list(facts["energy"].values()) == expected


def test_a_rotation_that_is_not_there_is_told(bare):
    assert bare.get("/rotations").json() == {"total_rotations": 0, "rotations": []}
    answer = bare.get("/rotations/nowhere")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_rotation"
