"""Settings of a run from YAML."""

import pytest
import yaml

from tsal.errors import InputError
from tsal.settings.models import Settings, from_dict, read_settings

LEAST = {"benchmark": "ytf", "method": "tsal_mu", "algorithm": "tsal", "labels": 0.05}


def test_what_is_not_given_keeps_its_default_and_what_is_given_counts():
    values = LEAST | {
        "training": {"steps": 7, "optimizer": {"name": "sgd"}},
        "tsal": {"sources": ["mirror"], "fusion": "confidence"},
    }
    settings = from_dict(Settings, values, "here")
    assert (settings.training.steps, settings.training.optimizer.name) == (7, "sgd")
    assert settings.tsal.sources == ("mirror",)
    assert settings.training.batch == Settings(**LEAST).training.batch


def test_an_unknown_key_is_named_with_its_section():
    with pytest.raises(InputError, match=r"s\.yaml: training: unknown key 'stepz'; known: .*steps"):
        from_dict(Settings, LEAST | {"training": {"stepz": 1}}, "s.yaml")


def test_a_missing_key_is_named():
    with pytest.raises(InputError, match="'labels' is missing"):
        from_dict(Settings, {key: value for key, value in LEAST.items() if key != "labels"}, "s.yaml")


def test_a_fixed_fusion_needs_the_papers_two_sources():
    with pytest.raises(InputError, match=r"found mirror, tracking.*fusion: confidence"):
        from_dict(Settings, LEAST | {"tsal": {"sources": ["mirror", "tracking"], "fusion": 0.5}}, "s.yaml")


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
