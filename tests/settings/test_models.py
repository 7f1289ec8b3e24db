"""Settings of a run from YAML."""

import pytest
import yaml
from pydantic import Field

from tsal import methods
from tsal.errors import InputError
from tsal.methods import read_settings
from tsal.settings.models import TrainingSettings, parse_settings
from tsal.settings.section import Distinct, Section, partial, read_section

LEAST = {"benchmark": "ytf", "method": "tsal_mu", "algorithm": "tsal", "labels": 0.05}
OPTIONS = methods.get("tsal").settings


def parse(**values: object):
    return parse_settings(LEAST | values, OPTIONS, "s.yaml")


def test_what_is_not_given_keeps_its_default_and_what_is_given_counts():
    training = {"steps": 7, "optimizer": {"name": "sgd"}}
    settings = parse(training=training, options={"sources": ["turned"], "fusion": "confidence"})
    assert (settings.training.steps, settings.training.optimizer.name) == (7, "sgd")
    assert settings.options.sources == ("turned",)
    assert settings.training.batch == TrainingSettings().batch


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"training": {"stepz": 1}}, "s.yaml: training.stepz: unknown key; did you mean 'steps'?"),
        ({"training": {"steps": 1.5}}, "s.yaml: training.steps: found 1.5, expected a whole number of at least 0"),
        (
            {"options": {"sources": ["tracking", "tracking"]}},
            's.yaml: options.sources: found ["tracking", "tracking"], ',
        ),
        (
            {"options": {"sources": ["trackin"]}},
            's.yaml: options.sources.0: found "trackin", expected one of tracking,',
        ),
        ({"options": {"filter": 0.5}}, "s.yaml: options.filter: unknown key; it is called 'ema_decay' now"),
        (
            {"options": {"sources": ["turned", "tracking"], "fusion": 0.5}},
            "s.yaml: options.fusion: found 0.5, which mixes",
        ),
        (
            {"detector": {"name": "vgg16_cpm", "input_px": 80}},
            "s.yaml: detector.input_px: found 80, expected a multiple",
        ),
        ({"detector": 3}, "s.yaml: detector: found 3, expected a section (key: value)"),
        ({"labels": None}, "s.yaml: labels: found null, expected a number or a word"),
    ],
)
def test_a_mistake_is_named_with_its_key_what_was_found_and_what_was_expected(values, message):
    with pytest.raises(InputError) as caught:
        parse(**values)
    assert str(caught.value).startswith(message)


def test_all_mistakes_are_named():
    with pytest.raises(InputError) as caught:
        parse_settings({"benchmark": "ytf", "training": {"steps": -1, "batch": "x"}}, OPTIONS, "s.yaml")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "method",
        "algorithm",
        "labels",
        "training.steps",
        "training.batch",
    ]


class Example(Section):
    counts: dict[str, int] = Field({})
    several: Distinct[float | int] = Field((1,), min_length=1)


def test_sections_of_any_kind_say_what_they_expect():
    with pytest.raises(InputError) as caught:
        read_section(Example, {"counts": {"a": "b"}, "several": [1, 1.0]}, "e")
    assert str(caught.value).splitlines() == [
        'e: counts.a: found "b", expected a whole number',
        "e: several: found [1, 1.0], expected a list of at least one, none twice, each a number",
    ]


def test_a_partial_section_needs_no_key_and_checks_those_that_it_has():
    some = partial(TrainingSettings)
    read_section(some, {}, "e")
    read_section(some, {"optimizer": {"momentum": 0.5}}, "e")
    with pytest.raises(
        InputError, match=r"e: optimizer\.momentum: found 1, expected a number of at least 0 and below 1"
    ):
        read_section(some, {"optimizer": {"momentum": 1}}, "e")


def test_files_that_are_no_settings_are_refused(tmp_path):
    path = tmp_path / "settings.yaml"
    with pytest.raises(InputError, match=r"settings\.yaml"):
        read_settings(path)
    path.write_text("a: [1")
    with pytest.raises(InputError, match=r"settings\.yaml: cannot be read"):
        read_settings(path)
    path.write_text("- 1\n")
    with pytest.raises(InputError, match=r"settings\.yaml: found list"):
        read_settings(path)
    path.write_text(yaml.safe_dump(LEAST))
    assert read_settings(path).method == "tsal_mu"
