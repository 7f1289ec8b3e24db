"""Settings of a run from YAML."""

import pytest
import yaml

from tsal import methods
from tsal.errors import InputError
from tsal.methods import read_settings
from tsal.settings.models import Settings, parse_settings

LEAST = {"benchmark": "ytf", "method": "tsal_mu", "algorithm": "tsal", "labels": 0.05}


def parse(**values):
    return parse_settings(LEAST | values, methods.get("tsal").settings, "s.yaml")


def test_what_is_not_given_keeps_its_default_and_what_is_given_counts():
    settings = parse(training={"steps": 7, "optimizer": {"name": "sgd"}}, options={"sources": ["turned"]})
    assert (settings.training.steps, settings.training.optimizer.name) == (7, "sgd")
    assert settings.options.sources == ("turned",)
    assert settings.training.batch == Settings(**LEAST).training.batch


def test_settings_are_the_same_after_they_were_written_and_read(tmp_path):
    settings = parse(training={"steps": 7}, options={"sources": ["tracking", "offsets"], "fusion": 0.25})
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    assert read_settings(path) == settings


def test_every_mistake_is_named_with_its_section_at_once():
    with pytest.raises(InputError) as caught:
        parse(training={"stepz": 1, "batch": 0, "optimizer": {"learning_rate": "fast"}})
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 and all(line.startswith("s.yaml: training.") for line in lines)
    for key in ("training.stepz", "training.batch", "training.optimizer.learning_rate"):
        assert any(key in line for line in lines)


def test_a_missing_key_is_named():
    with pytest.raises(InputError, match=r"labels: .*missing"):
        parse_settings({key: value for key, value in LEAST.items() if key != "labels"}, Settings, "s.yaml")


def test_a_fixed_fusion_needs_the_papers_two_sources():
    with pytest.raises(InputError, match=r"found turned, tracking.*fusion: confidence"):
        parse(options={"sources": ["turned", "tracking"], "fusion": 0.5})


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
    path.write_text(yaml.safe_dump(LEAST | {"algorithm": "nosuch"}))
    with pytest.raises(InputError, match=r"unknown method 'nosuch'; expected one of .*tsal"):
        read_settings(path)
    path.write_text(yaml.safe_dump(LEAST))
    assert read_settings(path).method == "tsal_mu"
