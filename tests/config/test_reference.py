"""docs/configuration.md: the keys that there are, as the models have them."""

import pytest
from configurations import ROOT

from tsal.config.reference import configuration_table

TEXT = (ROOT / "docs/configuration.md").read_text()


def test_the_tables_are_those_of_the_models():
    _, _, rest = TEXT.partition("<!-- table: configuration -->\n")
    assert rest.partition("<!-- end -->")[0] == configuration_table()


@pytest.mark.parametrize(
    "row",
    [
        "| `training.batch` | a whole number of at least 1 | `32` | labelled faces a step |",
        "| `unlabelled.pool` | the name of a benchmark or null | `null` | benchmark whose training frames are",
        "| `benchmarks.synth.people` | a whole number from 10 to 99999 | `400` |",
        '| `methods.tsal.fusion` | confidence or a number from 0 to 1 | `"confidence"` |',
        "| `methods.NAME.base` | a word |  | of a variant",
    ],
)
def test_a_row_has_key_values_default_and_meaning(row):
    assert row in configuration_table()
