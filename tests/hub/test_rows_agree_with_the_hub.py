"""Every row's files, fetched from the hub: the row agrees with them, and the scores are upstream's.

Opt-in: ``pytest -m hub`` (``-m hub -k bge-small`` for one). It fetches into BINDERY_HOME, 8 GB in
all, and keeps what it fetched; HF_TOKEN opens what is gated, which is skipped without. Never run
where these tests were written, for want of a hub; ``test_the_checks_run_on_a_small_hub.py`` runs
the same checks on tiny models. A row that passes may be marked ``verified``.
"""

import os
from pathlib import Path

import pytest

from bindery.errors import ModelGated
from bindery.models.catalog import CATALOG
from bindery.models.hub import HubSource
from bindery.settings import read_settings

from .checks import PUBLISHED, check_published, check_row, check_sense, fetched

pytestmark = pytest.mark.hub


def _folder(name: str) -> Path:
    settings = read_settings(os.environ)
    try:
        return fetched(CATALOG[name], settings.home, HubSource(settings.hub, settings.token))
    except ModelGated as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", CATALOG)
def test_the_row_agrees_with_its_files(name):
    check_row(CATALOG[name], _folder(name))


@pytest.mark.parametrize("name", CATALOG)
def test_its_prompts_find_what_is_asked_for(name):
    check_sense(CATALOG[name], _folder(name))


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name, all_of_it in PUBLISHED.items() for number in range(len(all_of_it))],
)
def test_the_scores_are_those_published(name, number):
    check_published(_folder(name), PUBLISHED[name][number])
