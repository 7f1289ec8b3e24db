"""The configuration: what a mistake is answered with, and the settings of each run that follow from it."""

import copy
from dataclasses import is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml

from tsal import config as configuration
from tsal.errors import InputError

ROOT = Path(__file__).parents[2]
SCHEMA = configuration.load_schema(ROOT / "workflow/schemas/config.schema.yaml")
BUDGET = "a share from 0 to 1, n50 (faces), every10 (frames of a video) or first (frame of a video)"
DEFAULT = configuration.normalise(yaml.safe_load((ROOT / "config.yaml").read_text()))


def changed(path: str, value: object) -> dict:
    """The default configuration with one key set, given as "training.batch"."""
    config = copy.deepcopy(DEFAULT)
    *sections, key = path.split(".")
    section = config
    for name in sections:
        section = section.setdefault(name, {})
    section[key] = value
    return config


def without(path: str) -> dict:
    config = copy.deepcopy(DEFAULT)
    *sections, key = path.split(".")
    section = config
    for name in sections:
        section = section[name]
    del section[key]
    return config


def complaints(config: dict, sources=()) -> list[str]:
    with pytest.raises(InputError) as caught:
        configuration.check_config(config, SCHEMA, sources)
    return str(caught.value).splitlines()


# --- mistakes ---


def test_the_configuration_of_the_repository_is_valid():
    configuration.check_config(DEFAULT, SCHEMA)


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda file: file.name)
def test_every_override_of_the_repository_is_valid(file):
    config = copy.deepcopy(DEFAULT)
    configuration.merge(config, configuration.normalise(yaml.safe_load(file.read_text())))
    configuration.check_config(config, SCHEMA)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("training.batch", -3, "training.batch: found -3, expected a whole number of at least 1"),
        ("training.batch", 2.5, "training.batch: found 2.5, expected a whole number of at least 1"),
        ("training.batch", True, "training.batch: found true, expected a whole number of at least 1"),
        ("training.batch", None, "training.batch: found null, expected a whole number of at least 1"),
        ("labels", [0], f"labels.0: found 0, expected {BUDGET}"),
        ("labels", [0.5, "n0"], f'labels.1: found "n0", expected {BUDGET}'),
        ("labels", [], "labels: found [], expected a list of label budgets"),
        ("benchmarks.300w.labels", ["half"], f'benchmarks.300w.labels.0: found "half", expected {BUDGET}'),
        ("studies.mu.labels", [2], f"studies.mu.labels.0: found 2, expected {BUDGET}"),
        ("benchmarks.300w.box", "gtb", 'benchmarks.300w.box: found "gtb", expected one of GTB, DET, GTL'),
        ("benchmarks.aflw.counts", 3, "benchmarks.aflw.counts: found 3, expected numbers by name, or null"),
        ("benchmarks.ytf.preset", "papr", "benchmarks.ytf.preset: unknown preset 'papr'; did you mean 'paper'?"),
        ("presets.paper.training", {"stps": 1}, "presets.paper.training.stps: unknown key; did you mean 'steps'?"),
        (
            "presets.paper.detector",
            {"input_px": 255},
            "presets.paper.detector.input_px: found 255, expected a whole number of at least 32 and a multiple of 32",
        ),
        ("methods.tsal.pool", "300vv", "methods.tsal.pool: unknown benchmark '300vv'; did you mean '300vw'?"),
        ("studies.mu.methods", ["tsal", "tsall"], "studies.mu.methods: unknown method 'tsall'; did you mean 'tsal'?"),
        (
            "benchmarks.300w.score_on",
            ["300"],
            "benchmarks.300w.score_on: unknown benchmark '300'; did you mean '300w'?",
        ),
        ("paper", ["300x"], "paper: unknown benchmark '300x'; did you mean '300w'?"),
        ("claims.benchmarks", ["ytff"], "claims.benchmarks: unknown benchmark 'ytff'; did you mean 'ytf'?"),
        (
            "claims.studies",
            ["comparison", "filtr"],
            "claims.studies: unknown study 'filtr'; did you mean 'filter'?",
        ),
        (
            "claims.studies",
            ["filter"],
            "claims.studies: found no 'comparison', on which the claims are measured; add it",
        ),
        ("claims.studies", "all", 'claims.studies: found "all", expected a list of studies'),
        ("finished", True, "finished: found true, expected the path of a folder, or null"),
        ("studies.mu.seeds", [-1], "studies.mu.seeds.0: found -1, expected a whole number of at least 0"),
        (
            "seeds",
            [1, 1],
            "seeds: found [1, 1], expected a list of at least one, none twice, each a whole number of at least 0",
        ),
        ("detector.name", "vgg", 'detector.name: found "vgg", expected one of compact, vgg16_cpm'),
        ("detector", None, "detector: found null, expected a section (key: value)"),
        ("methods.tsal.pool_share", 0, "methods.tsal.pool_share: found 0, expected a number above 0 and at most 1"),
        ("methods.sbr.clip_frames", 1, "methods.sbr.clip_frames: found 1, expected a whole number of at least 2"),
        ("methods.stld.shrink", [0], "methods.stld.shrink.0: found 0, expected a number above 0"),
        ("device", "gpu", 'device: found "gpu", expected one of auto, cpu, cuda, cuda:N'),
        ("raw_dir", 7, "raw_dir: found 7, expected the path of a folder"),
        (
            "methods.tsal.fusion",
            "mean",
            'methods.tsal.fusion: found "mean", expected confidence or a number from 0 to 1',
        ),
        ("methods", {}, "methods: found {}, expected a section with at least one method"),
        ("methods.supervised", None, "methods.supervised: found null, expected a section (key: value)"),
        (
            "benchmarks.ytf.max_people",
            "all",
            'benchmarks.ytf.max_people: found "all", expected a whole number of at least 10 or null',
        ),
        ("download", "yes", 'download: found "yes", expected true or false'),
        ("benchmarks.synth.people", 9, "benchmarks.synth.people: found 9, expected a whole number from 10 to 99999"),
        ("benchmarks.synth.stills", 0, "benchmarks.synth.stills: found 0, expected a whole number of at least 20"),
        ("benchmarks.synth.clips", 9, "benchmarks.synth.clips: found 9, expected a whole number of at least 10"),
        (
            "benchmarks.synth.clip_frames",
            0,
            "benchmarks.synth.clip_frames: found 0, expected a whole number from 3 to 100",
        ),
        (
            "benchmarks.synth.image_px",
            31,
            "benchmarks.synth.image_px: found 31, expected a whole number from 32 to 2048",
        ),
        (
            "benchmarks.synth.challenging",
            1.1,
            "benchmarks.synth.challenging: found 1.1, expected a number from 0 to 1",
        ),
        ("benchmarks.synth.seed", -1, "benchmarks.synth.seed: found -1, expected a whole number of at least 0"),
        ("benchmarks.synth.shards", 0, "benchmarks.synth.shards: found 0, expected a whole number from 1 to 1000"),
        ("benchmarks.synth", None, "benchmarks.synth: found null, expected a section (key: value)"),
    ],
)
def test_a_wrong_value_is_shown_with_what_is_expected(path, value, message):
    assert complaints(changed(path, value)) == [f"config.yaml: {message}"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("trainig", "trainig: unknown key; did you mean 'training'?"),
        ("training.bacth", "training.bacth: unknown key; did you mean 'batch'?"),
        ("benchmarks.synth.max_people", "benchmarks.synth.max_people: unknown key; did you mean 'people'?"),
        (
            "benchmarks.ytf.stills",
            "benchmarks.ytf.stills: unknown key; "
            "expected one of max_people, preset, labels, methods, score_on, detector, training",
        ),
        ("methods.tsal.fusoin", "methods.tsal.fusoin: unknown key; did you mean 'fusion'?"),
        (
            "methods.supervised.fusion",
            "methods.supervised.fusion: unknown key; expected one of base, run, title, preset, detector, training",
        ),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(path, message):
    assert complaints(changed(path, 1)) == [f"config.yaml: {message}"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("training.optimizer.name", "training.optimizer.name: missing, expected one of adamw, sgd"),
        ("methods.tsal.filter", "methods.tsal.filter: missing, expected a number from 0 to 1"),
        ("benchmarks.synth.clips", "benchmarks.synth.clips: missing, expected a whole number of at least 10"),
        (
            "seeds",
            "seeds: missing, expected a list of at least one, none twice, each a whole number of at least 0",
        ),
    ],
)
def test_a_missing_key_is_named(path, message):
    assert complaints(without(path)) == [f"config.yaml: {message}"]


def test_an_option_of_a_benchmark_may_be_missing():
    configuration.check_config(without("benchmarks.ytf.max_people"), SCHEMA)


def test_a_benchmark_may_be_left_out():
    for name in ("synth", "ytf"):
        configuration.check_config(without(f"benchmarks.{name}"), SCHEMA)


def test_an_unknown_benchmark_is_named_with_those_known():
    assert complaints(changed("benchmarks.yft", {})) == [
        "config.yaml: benchmarks.yft: unknown benchmark; did you mean 'ytf'?"
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"base": "tsl"}, "methods.mine.base: unknown method 'tsl'; did you mean 'tsal'?"),
        ({"base": ["tsal"]}, "methods.mine.base: unknown method ['tsal']; "),
        ({"base": "mine"}, "methods.mine.base: mine -> mine never reaches a method"),
        (
            {},
            "methods.mine: neither implemented (supervised, self_training, mean_teacher, "
            "sbr, stld, tsal) nor a variant, which has a base: ",
        ),
        (
            {"base": "tsal", "training": {"bacth": 3}},
            "methods.mine.training.bacth: unknown key; did you mean 'batch'?",
        ),
        ({"base": "tsal", "training": {"steps": -1}}, "methods.mine.training.steps: found -1, expected "),
        ({"base": "supervised", "fusion": 0.5}, "methods.mine.fusion: unknown key; "),
    ],
)
def test_a_method_that_cannot_be_is_explained(entry, message):
    (line,) = complaints(changed("methods.mine", entry))
    assert line.startswith(f"config.yaml: {message}")


@pytest.mark.parametrize("name", ["Mine", "my-method", "warmup", "2nd"])
def test_a_method_whose_name_would_not_do_as_a_folder_is_refused(name):
    (line,) = complaints(changed(f"methods.{name}", {"base": "tsal"}))
    assert line.startswith(f"config.yaml: methods.{name}: not a name for a method")


def test_at_least_one_method_has_to_run():
    methods = {name: {**entry, "run": False} for name, entry in DEFAULT["methods"].items()}
    assert complaints(changed("methods", methods)) == [
        "config.yaml: methods: every method has run: false, expected at least one that is run"
    ]


def test_all_mistakes_are_listed_at_once():
    config = changed("training.batch", 0)
    config["threads"] = "two"
    config["methods"]["tsal"]["filter"] = 7
    assert len(complaints(config)) == 3


def test_a_mistake_is_laid_to_the_source_that_has_the_last_word():
    config = changed("training.batch", 0)
    sources = [
        ("config.yaml", DEFAULT),
        ("mine.yaml", {"training": {"batch": 0}}),
        ("--config", {"seeds": [0]}),
    ]
    assert complaints(config, sources) == ["mine.yaml: training.batch: found 0, expected a whole number of at least 1"]


@pytest.mark.parametrize(("text", "number"), [("1e-3", 1e-3), ("5E-5", 5e-5), ("-.5e+1", -5.0), ("1.e2", 100.0)])
def test_an_exponent_without_a_point_is_a_number(text, number):
    assert yaml.safe_load(text) == text or yaml.safe_load(text) == number
    assert configuration.normalise({"a": [text]}) == {"a": [number]}


def test_a_command_line_has_texts_for_everything():
    given = {"seeds": ["0", "1"], "methods": {"tsal": {"filter_back": "null", "fusion": ".5", "run": "false"}}}
    assert configuration.normalise(given, all_texts=True) == {
        "seeds": [0, 1],
        "methods": {"tsal": {"filter_back": None, "fusion": 0.5, "run": False}},
    }
    assert configuration.normalise({"raw_dir": "a: b"}, all_texts=True) == {"raw_dir": "a: b"}


def test_texts_stay_texts():
    assert configuration.normalise({"raw_dir": "1e", 7: "e5"}) == {"raw_dir": "1e", "7": "e5"}


# --- settings of a run ---


def test_training_reads_the_settings_of_every_method():
    from tsal.settings.models import Settings, from_dict

    for method in DEFAULT["methods"]:
        resolved = configuration.resolve_run(DEFAULT, "ytf", method, 0.05)
        read = from_dict(Settings, resolved, method)
        assert (read.benchmark, read.method, read.labels) == ("ytf", method, 0.05)
        preset = DEFAULT["presets"]["paper"]["training"] if method.endswith("_paper") else {}
        assert read.training.batch == {**DEFAULT["training"], **preset}["batch"]
    warmup = configuration.resolve_warmup(DEFAULT, "ytf", "warmup", 0.05)
    assert from_dict(Settings, warmup, "warmup").method == "warmup"


def test_the_configuration_shows_every_setting_that_there_is():
    from tsal.settings.models import Settings

    def keys(kind: type) -> dict:
        hints = get_type_hints(kind)
        return {name: keys(hint) if is_dataclass(hint) else None for name, hint in hints.items()}

    def shape(value: object) -> dict | None:
        return {name: shape(part) for name, part in value.items()} if isinstance(value, dict) else None

    expected = keys(Settings)
    assert shape(DEFAULT["training"]) == expected["training"]
    assert shape(DEFAULT["detector"]) == expected["detector"]
    for method in ("tsal", "self_training", "mean_teacher", "sbr", "stld"):
        own = {key: value for key, value in DEFAULT["methods"][method].items() if key != "run"}
        assert shape(own) == expected[method]


def test_a_variant_is_its_base_with_its_own_keys():
    config = changed("methods.tsal_mu03", {"base": "tsal", "fusion": 0.3})
    base, variant = (configuration.resolve_run(config, "ytf", name, 0.05) for name in ("tsal", "tsal_mu03"))
    assert variant["algorithm"] == base["algorithm"] == "tsal"
    assert variant["tsal"] == {**base["tsal"], "fusion": 0.3}
    assert variant["training"] == base["training"]


def test_a_variant_of_a_variant_inherits_from_both():
    config = changed("methods.a", {"base": "tsal", "filter": 0.3, "fusion": 0.3, "run": False})
    config["methods"]["b"] = {"base": "a", "filter": 0.4}
    options = configuration.resolve_run(config, "ytf", "b", 0.05)["tsal"]
    assert (options["filter"], options["fusion"]) == (0.4, 0.3)


def test_a_method_overrides_training_keys_for_itself_alone_and_within_sections():
    config = changed("methods.mine", {"base": "tsal", "training": {"steps": 7, "loss": {"sic": 0.5}}})
    mine, tsal = (configuration.resolve_run(config, "ytf", name, 0.05) for name in ("mine", "tsal"))
    expected = copy.deepcopy(tsal["training"])
    expected["steps"], expected["loss"]["sic"] = 7, 0.5
    assert mine["training"] == expected
    assert (tsal["training"]["steps"], tsal["training"]["loss"]) == (
        DEFAULT["training"]["steps"],
        DEFAULT["training"]["loss"],
    )


def test_a_benchmark_overrides_training_keys_and_a_method_overrides_those():
    own = {"steps": 5, "augmentation": {"flip": 0.3}}
    config = changed("benchmarks.ytf.training", own)
    config["methods"]["mine"] = {"base": "tsal", "training": {"steps": 7}}
    tsal, mine = (configuration.resolve_run(config, "ytf", name, 0.05)["training"] for name in ("tsal", "mine"))
    assert (tsal["steps"], mine["steps"]) == (5, 7)
    assert tsal["augmentation"] == mine["augmentation"] == {**DEFAULT["training"]["augmentation"], "flip": 0.3}
    assert configuration.warmup_name(config, "ytf", "tsal") == "warmup"
    assert configuration.resolve_warmup(config, "ytf", "warmup", 0.05)["training"] == tsal


def test_mistakes_in_what_a_benchmark_overrides_are_named_with_their_place():
    config = changed("benchmarks.ytf.training", {"steps": -1, "stepz": 2})
    with pytest.raises(InputError) as error:
        configuration.check_config(config, SCHEMA)
    assert "benchmarks.ytf.training.steps: found -1, expected a whole number of at least 0" in str(error.value)
    assert "benchmarks.ytf.training.stepz: unknown key; did you mean 'steps'?" in str(error.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("raw_dir", "elsewhere"),
        ("threads", 1),
        ("device", "cpu"),
        ("gpu", 1),
        ("labels", [0.5]),
        ("seeds", [5]),
        ("methods.other", {"base": "tsal", "fusion": 0.1}),
        ("methods.tsal.run", False),
    ],
)
def test_settings_do_not_hold_what_training_does_not_depend_on(path, value):
    config = changed(path, value)
    configuration.check_config(config, SCHEMA)
    for method in DEFAULT["methods"]:
        before, after = (configuration.resolve_run(c, "ytf", method, 0.05) for c in (DEFAULT, config))
        assert before == after


def test_settings_are_a_copy():
    config = copy.deepcopy(DEFAULT)
    configuration.resolve_run(config, "ytf", "tsal", 0.05)["training"]["optimizer"]["name"] = "other"
    assert config == DEFAULT


def test_an_unknown_method_is_an_error():
    with pytest.raises(InputError, match="unknown method 'tsl'; did you mean 'tsal'"):
        configuration.resolve_run(DEFAULT, "ytf", "tsl", 0.05)


def test_methods_that_do_not_run_are_no_targets():
    config = changed("methods.mine", {"base": "tsal", "run": False})
    assert configuration.methods_to_run(config, "ytf") == ["supervised", "tsal"]


def test_only_methods_with_a_tracker_need_flow():
    config = changed("methods.mine", {"base": "tsal"})
    names = ("supervised", "tsal", "mine", "sbr", "mean_teacher")
    trackers = {name: configuration.tracker_of(config, "ytf", name) for name in names}
    assert trackers == {"supervised": None, "tsal": "dis", "mine": "dis", "sbr": "dis", "mean_teacher": None}


def test_signals_are_measured_by_methods_that_have_sources_and_a_probe():
    assert configuration.measures_signals(DEFAULT, "ytf", "tsal")
    assert not configuration.measures_signals(DEFAULT, "ytf", "supervised")
    assert not configuration.measures_signals(changed("training.probe", 0), "ytf", "tsal")
    assert not configuration.measures_signals(changed("labels", [1.0]), "ytf", "tsal")


# --- what is rendered ---


def test_the_configuration_says_all_that_rendering_depends_on():
    from tsal.synth.plan import SynthSettings

    settings = SynthSettings(**configuration.render_settings(DEFAULT, "synth"))
    assert (settings.people, settings.clip_frames) == (400, 10)


def test_what_is_rendered_does_not_depend_on_the_number_of_shards_nor_on_training():
    changed_config = changed("benchmarks.synth.shards", 3)
    changed_config["benchmarks"]["synth"]["training"] = {"steps": 5}
    expected = configuration.render_settings(DEFAULT, "synth")
    assert configuration.render_settings(changed_config, "synth") == expected
    assert (configuration.shards(DEFAULT, "synth"), configuration.shards(changed_config, "synth")) == (8, 3)


def test_a_benchmark_that_is_to_be_rendered_has_to_be_in_the_configuration():
    config = without("benchmarks.synth")
    for function in (configuration.render_settings, configuration.shards):
        with pytest.raises(
            InputError, match=r"benchmarks\.synth: missing, expected what to render, as in config\.yaml"
        ):
            function(config, "synth")


# --- warm-up ---


def test_methods_that_train_alike_share_the_warm_up():
    config = changed("methods.mine", {"base": "tsal", "filter": 0.1, "training": {"batch": 32}})
    alike = ["supervised", "tsal", "tsal_literal", "tsal_filter_05", "mine"]
    assert {configuration.warmup_name(config, "ytf", method) for method in alike} == {"warmup"}


def test_methods_with_the_same_overrides_share_a_warm_up_of_their_own():
    config = changed("methods.a", {"base": "tsal", "training": {"batch": 8}})
    config["methods"]["b"] = {"base": "supervised", "training": {"batch": 8}}
    config["methods"]["c"] = {"base": "supervised", "training": {"batch": 9}}
    a, b, c = (configuration.warmup_name(config, "ytf", method) for method in "abc")
    assert a == b
    assert len({"warmup", a, c}) == 3
    assert configuration.resolve_warmup(config, "ytf", a, 0.05)["training"]["batch"] == 8
    assert configuration.resolve_warmup(config, "ytf", "warmup", 0.05)["training"]["batch"] == 32


def test_a_warm_up_depends_on_training_alone():
    other = changed("methods.tsal.filter", 0.5)
    longer = changed("training.steps", 7)
    warmups = [configuration.resolve_warmup(c, "ytf", "warmup", 0.05) for c in (DEFAULT, other, longer)]
    assert warmups[0] == warmups[1]
    assert warmups[0] != warmups[2]


def test_a_warm_up_that_nobody_starts_from_is_an_error():
    with pytest.raises(InputError, match="no method of the config starts from a warm-up 'warmup-000000'"):
        configuration.resolve_warmup(DEFAULT, "ytf", "warmup-000000", 0.05)


def test_a_pretrained_method_starts_from_the_other_benchmarks_supervised_detector_with_all_labels():
    config = changed("labels", [0.05, 1])
    warmup = configuration.warmup_name(config, "ytf", "supervised_from_synth")
    assert configuration.pretraining(config, "ytf", warmup) == ("synth", "1")
    assert configuration.pretraining(changed("labels", [0.05]), "ytf", warmup) == ("synth", "1")
    assert configuration.pretraining(changed("labels", [0.05, 1.0]), "ytf", warmup) == ("synth", "1.0")
    assert configuration.pretraining(config, "ytf", "warmup") is None


def test_a_benchmark_does_not_start_from_itself():
    config = changed("training.pretrained", "synth")
    assert configuration.resolve_run(config, "synth", "supervised", 0.05)["training"]["pretrained"] is None
    assert configuration.resolve_run(config, "ytf", "supervised", 0.05)["training"]["pretrained"] == "synth"
    assert configuration.warmup_name(DEFAULT, "synth", "supervised_from_synth") == "warmup"


def test_to_start_from_an_unknown_benchmark_is_explained():
    config = changed("training.pretrained", "sinth")
    with pytest.raises(InputError, match="unknown benchmark 'sinth'"):
        configuration.pretraining(config, "ytf", "warmup")


# --- presets, studies, other geometries ---


def test_a_preset_of_a_method_goes_before_that_of_its_benchmark_and_after_nothing_else():
    config = changed("presets", {"a": {"training": {"steps": 1, "batch": 1}}, "b": {"training": {"steps": 2}}})
    config["benchmarks"]["ytf"] |= {"preset": "a", "training": {"batch": 5}}
    config["methods"]["mine"] = {"base": "tsal", "preset": "b", "training": {"probe": 3}}
    config["methods"]["heir"] = {"base": "mine"}
    of = {name: configuration.resolve_run(config, "ytf", name, 1)["training"] for name in ("tsal", "mine", "heir")}
    assert {name: (of[name]["steps"], of[name]["batch"]) for name in of} == {
        "tsal": (1, 5),
        "mine": (2, 5),
        "heir": (2, 5),
    }
    assert of["heir"]["probe"] == 3
    assert configuration.resolve_run(config, "synth", "tsal", 1)["training"]["steps"] == DEFAULT["training"]["steps"]


def test_methods_with_another_detector_have_crops_and_a_warm_up_of_their_own():
    config = changed("methods.large", {"base": "tsal", "detector": {"input_px": 256}})
    config["methods"]["larger"] = {"base": "supervised", "detector": {"input_px": 256}}
    warmups = [configuration.warmup_name(config, "ytf", name) for name in ("tsal", "large", "larger")]
    assert warmups[0] == "warmup" != warmups[1] == warmups[2]
    names = [configuration.geometry_of(config, "ytf", run) for run in ("tsal", "large", warmups[1], "warmup")]
    assert names == ["96px_0.2_1.3333333", *["256px_0.2_1.3333333"] * 2, "96px_0.2_1.3333333"]


def test_the_papers_preset_is_that_of_its_release():
    run = configuration.resolve_run(DEFAULT, "300w", "tsal_paper", 1)
    detector, training = run["detector"], run["training"]
    assert (detector["name"], detector["input_px"], detector["sigma"], detector["decode"]) == (
        "vgg16_cpm",
        256,
        6.0,
        "centroid",
    )
    optimizer = training["optimizer"]
    assert (optimizer["name"], optimizer["learning_rate"], optimizer["weight_decay"]) == ("sgd", 5e-5, 5e-4)
    assert (optimizer["bias_rate"], optimizer["heatmap_rate"], optimizer["schedule"]) == (2, 4, "halving")
    assert training["augmentation"] == dict(scale=0.1, rotation=20, shift=0.117, flip=0, colour=0, erase=0)
    tsal = run["tsal"]
    assert (tsal["fusion"], tsal["filter"], tsal["clip_frames"], tsal["neighbours"]) == (0.5, 0.6, 10, "previous")
    assert (tsal["observer"], tsal["loss"], tsal["teacher_rate"]) == ("student", "mse", 1)


def test_a_benchmark_chooses_methods_and_labels_for_its_table():
    config = changed("benchmarks.ytf.methods", ["tsal_literal", "supervised"])
    config["benchmarks"]["ytf"]["labels"] = ["n50", 1]
    assert configuration.methods_to_run(config, "ytf") == ["tsal_literal", "supervised"]
    assert configuration.labels_of(config, "ytf") == ["n50", 1]
    assert configuration.methods_to_run(config, "synth") == ["supervised", "tsal"]
    assert configuration.labels_of(config, "synth") == DEFAULT["labels"]


def test_a_study_knows_its_methods_their_names_and_what_is_swept():
    study = configuration.study(DEFAULT, "300vw", "filter")
    assert list(study.methods)[:2] == ["supervised", "tsal_filter_0"]
    assert study.values == {
        "tsal_filter_0": 0.0,
        "tsal_filter_05": 0.5,
        "tsal_filter_06": 0.6,
        "tsal_filter_07": 0.7,
        "tsal_filter_08": 0.8,
        "tsal_filter_09": 0.9,
        "tsal": 0.99,
        "tsal_filter_0999": 0.999,
    }
    assert configuration.study(DEFAULT, "300vw", "parts").methods["tsal_no_sic"] == (
        "without structure invariance (SIC)"
    )
    assert configuration.study(DEFAULT, "300vw", "budgets").labels == ("first", "every50", "every10", 1)
    mu = configuration.study(DEFAULT, "aflw", "mu").values
    assert sorted(mu.values()) == [0, 0.25, 0.5, 0.75, 1]


def test_a_study_has_seeds_of_its_own_or_those_of_all():
    config = changed("seeds", [5, 6])
    assert configuration.study(config, "ytf", "comparison").seeds == (0, 1, 2)
    assert configuration.study(config, "ytf", "budgets").seeds == (5, 6)


def test_the_claims_have_the_studies_that_are_named_there_and_not_made_for_other_benchmarks_alone():
    config = changed("claims.studies", ["comparison", "filter"])
    names = {b: [study.name for study in configuration.claim_studies(config, b)] for b in ("ytf", "300w")}
    assert names == {"ytf": ["comparison", "filter"], "300w": ["filter"]}


def test_studies_that_name_benchmarks_are_made_of_these_alone():
    names = {b: [study.name for study in configuration.studies_of(DEFAULT, b)] for b in ("300w", "aflw")}
    assert "pools" in names["300w"] and "pools" not in names["aflw"]
    with pytest.raises(InputError, match=r"studies\.nothing: missing; the config has published, budgets"):
        configuration.study(DEFAULT, "300w", "nothing")


def test_a_method_takes_its_unlabelled_frames_from_its_pool():
    assert configuration.pool_of(DEFAULT, "300w", "tsal_pool_300vw") == "300vw"
    assert configuration.pool_of(DEFAULT, "300w", "tsal") == "300w"
    assert configuration.pool_of(changed("methods.stld.pool", "ytf"), "300w", "stld") == "ytf"
    assert configuration.score_on(DEFAULT, "300w") == ["300vw"]
    assert configuration.score_on(DEFAULT, "ytf") == []


def test_other_test_faces_are_shown_to_the_table_of_a_benchmark_and_to_those_who_learned_from_their_kind():
    runs = configuration.runs_on(DEFAULT, "300w", "300vw")
    assert runs[:2] == [("supervised", "n50"), ("supervised", 0.05)]
    assert [run for run in runs if run[0] not in ("supervised", "tsal")] == [
        ("tsal_pool_300vw", 0.1),
        ("tsal_pool_300vw", 1),
    ]


def test_options_of_faces_are_the_benchmarks_own_where_the_configuration_says_nothing():
    config = changed("benchmarks.300w.counts", {"train": 7})
    del config["benchmarks"]["300w"]["box"]
    assert configuration.index_options(config, "300w") == {"box": "DET", "validation": 0.05, "counts": {"train": 7}}
    default = configuration.index_options(DEFAULT, "300w")["counts"]
    assert (default["train"], default["common"], default["challenging"]) == (3148, 554, 135)
