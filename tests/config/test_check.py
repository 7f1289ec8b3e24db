"""The check of a configuration: what a mistake is answered with."""

import time

import pytest
from configurations import DEFAULT, ROOT, complaints, laid_over, nested

from tsal import config as configuration
from tsal.config import Source
from tsal.errors import InputError

BUDGET = "a share from 0 to 1, n50 (faces), every10 (frames of a video) or first (frame of a video)"
NOTES = (
    "null, a text, or {training: TEXT, SUBSET: TEXT}, each text one line of at most 200 characters, with a blank "
    "between < and a letter, /, ! or ?"
)
SETS = (
    "a list of some of afw, helen, ibug, lfpw, none twice; not ibug alone, of which none train, nor afw, of which none "
    "test"
)
NEAR = "unknown key; did you mean 'challenging'?"

# --- mistakes ---


@pytest.mark.parametrize(
    "file",
    [file for file in sorted((ROOT / "config").glob("*.yaml")) if file.stem != "presets"],
    ids=lambda file: file.name,
)
def test_every_override_of_the_repository_is_valid(file):
    configuration.read_config([ROOT / "config.yaml", file], ROOT / "config")


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
        ("benchmarks.300w.box", "gtb", 'benchmarks.300w.box: found "gtb", expected one of DET, GTB, GTL'),
        ("benchmarks.300w.notes", 3, f"benchmarks.300w.notes: found 3, expected {NOTES}"),
        ("benchmarks.300w.notes", "", f'benchmarks.300w.notes: found "", expected {NOTES}'),
        ("benchmarks.300w.notes", "a\tb", f'benchmarks.300w.notes: found "a\\tb", expected {NOTES}'),
        ("benchmarks.300w.notes", {"full": "<b>"}, f'benchmarks.300w.notes: found {{"full": "<b>"}}, expected {NOTES}'),
        ("benchmarks.300w.notes", {"challengin": "a"}, f"benchmarks.300w.notes.challengin: {NEAR}"),
        ("benchmarks.300w.sets", ["ibug"], f'benchmarks.300w.sets: found ["ibug"], expected {SETS}'),
        ("benchmarks.aflw.counts", 3, "benchmarks.aflw.counts: found 3, expected numbers by name, or null"),
        ("benchmarks.ytf.preset", "papr", "benchmarks.ytf.preset: unknown preset 'papr'; did you mean 'paper'?"),
        ("presets.paper.training", {"stps": 1}, "presets.paper.training.stps: unknown key; did you mean 'steps'?"),
        (
            "presets.paper.detector",
            {"input_px": 255},
            "presets.paper.detector.input_px: found 255, expected a whole number of at least 32 and a multiple of 16",
        ),
        ("methods.tsal.pool", "300vv", "methods.tsal.pool: unknown benchmark '300vv'; did you mean '300vw'?"),
        ("studies.mu.methods", ["tsal", "tsall"], "studies.mu.methods: unknown method 'tsall'; did you mean 'tsal'?"),
        (
            "benchmarks.300w.score_on",
            ["300"],
            "benchmarks.300w.score_on: unknown benchmark '300'; did you mean '300w'?",
        ),
        ("benchmarks.300w.score_on", [{}], "benchmarks.300w.score_on.0: found {}, expected a word"),
        ("paper", ["300x"], "paper: unknown benchmark '300x'; did you mean '300w'?"),
        ("claims.benchmarks", ["ytff"], "claims.benchmarks: unknown benchmark 'ytff'; did you mean 'ytf'?"),
        (
            "claims.studies",
            ["comparison", "ema_decy"],
            "claims.studies: unknown study 'ema_decy'; did you mean 'ema_decay'?",
        ),
        (
            "claims.studies",
            ["ema_decay"],
            "claims.studies: found no 'comparison', on which the claims are measured; add it",
        ),
        ("claims.studies", "all", 'claims.studies: found "all", expected a list of studies'),
        (
            "finished",
            True,
            "finished: found true, expected the path of a folder, in one line without {, } and <, and not beginning "
            "with -; or null",
        ),
        ("studies.mu.seeds", [-1], "studies.mu.seeds.0: found -1, expected a whole number of at least 0"),
        (
            "seeds",
            [1, 1],
            "seeds: found [1, 1], expected a list of at least one, none twice, each a whole number of at least 0",
        ),
        ("detector.name", "vgg", 'detector.name: found "vgg", expected one of compact, vgg16_cpm'),
        ("detector", None, "detector: found null, expected a section (key: value)"),
        ("methods.tsal.pool_share", 0, "methods.tsal.pool_share: found 0, expected a number above 0 and at most 1"),
        ("methods.sbr.clip_frames", 0, "methods.sbr.clip_frames: found 0, expected a whole number of at least 1"),
        (
            "benchmarks.aflw.counts",
            {"faces": 1},
            "benchmarks.aflw.counts.faces: unknown key; expected one of train, test, frontal",
        ),
        ("thresholds", [0], "thresholds.0: found 0, expected a number above 0 and at most 100"),
        (
            "studies.mu.parameter",
            "fusoin",
            "studies.mu.parameter: unknown key 'fusoin' of its methods; did you mean 'fusion'?",
        ),
        ("methods.stld.shrink", [0], "methods.stld.shrink.0: found 0, expected a number above 0"),
        ("device", "gpu", 'device: found "gpu", expected one of auto, cpu, cuda, cuda:N'),
        ("raw_dir", True, "raw_dir: found true, expected the path of a folder, in one line"),
        (
            "methods.tsal.fusion",
            "mean",
            'methods.tsal.fusion: found "mean", expected confidence or a number from 0 to 1',
        ),
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
    assert complaints(nested(path, value)) == [f"mine.yaml: {message}"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("trainig", "trainig: unknown key; did you mean 'training'?"),
        ("training.bacth", "training.bacth: unknown key; did you mean 'batch'?"),
        ("benchmarks.synth.max_people", "benchmarks.synth.max_people: unknown key; did you mean 'people'?"),
        (
            "benchmarks.ytf.stills",
            "benchmarks.ytf.stills: unknown key; "
            "expected one of max_people, preset, labels, methods, score_on, notes, detector, training, boxes",
        ),
        ("methods.tsal.fusoin", "methods.tsal.fusoin: unknown key; did you mean 'fusion'?"),
        (
            "methods.supervised.fusion",
            "methods.supervised.fusion: unknown key; expected one of base, run, title, preset, detector, training, "
            "cost_of, flip_test",
        ),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(path, message):
    assert complaints(nested(path, 1)) == [f"mine.yaml: {message}"]


def test_a_key_that_is_left_out_has_its_default():
    least = configuration.check_config([Source("least.yaml", {"benchmarks": {"synth": {}}, "methods": {"tsal": {}}})])
    assert {key: least[key] for key in ("raw_dir", "seeds", "thresholds", "gpu")} == {
        "raw_dir": "data/raw",
        "seeds": [0],
        "thresholds": [8],
        "gpu": 0,
    }
    assert configuration.resolve_run(least, "synth", "tsal", 0.05) == configuration.resolve_run(
        DEFAULT, "synth", "tsal", 0.05
    )


def test_what_has_no_default_is_missed():
    with pytest.raises(InputError) as caught:
        configuration.check_config([Source("least.yaml", {"seeds": [1]})])
    assert str(caught.value).splitlines() == [
        "least.yaml: benchmarks: missing, expected a section with at least one benchmark",
        "least.yaml: methods: missing, expected a section with at least one method",
    ]
    assert complaints({"studies": {"mine": {"title": "Mine"}}}) == [
        "mine.yaml: studies.mine.methods: missing, expected a list of two methods or more"
    ]


def test_an_unknown_benchmark_is_named_with_those_known():
    assert complaints(nested("benchmarks.yft", {})) == [
        "mine.yaml: benchmarks.yft: unknown benchmark; did you mean 'ytf'?"
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"base": "tsl"}, "methods.mine.base: unknown method 'tsl'; did you mean 'tsal'?"),
        ({"base": ["tsal"]}, "methods.mine.base: unknown method ['tsal']; "),
        ({"base": "mine"}, "methods.mine.base: mine -> mine never reaches a method"),
        (
            {},
            "methods.mine: neither implemented (mean_teacher, sbr, self_training, "
            "stld, supervised, tsal) nor a variant, which has a base: ",
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
    (line,) = complaints(nested("methods.mine", entry))
    assert line.startswith(f"mine.yaml: {message}")


@pytest.mark.parametrize("name", ["Mine", "my-method", "warmup", "2nd"])
def test_a_method_whose_name_would_not_do_as_a_folder_is_refused(name):
    (line,) = complaints(nested(f"methods.{name}", {"base": "tsal"}))
    assert line.startswith(f"mine.yaml: methods.{name}: not a name for a method")


def test_at_least_one_method_has_to_run():
    methods = {name: {"run": False} for name in ("supervised", "tsal")}
    assert complaints({"methods": methods}) == [
        "mine.yaml: methods: every method has run: false, expected at least one that is run"
    ]


def test_all_mistakes_are_listed_at_once_each_with_the_last_source_that_has_its_key():
    found = complaints(
        {"training": {"batch": 0}, "methods": {"tsal": {"ema_decay": 7}, "mine": {"base": "tsal", "fusion": 0.3}}},
        {"training": {"batch": -1}},
        command_line={"threads": "two"},
    )
    assert [line.split(":")[0] for line in found] == ["mine1.yaml", "--config", "mine.yaml"]
    assert "mine1.yaml: training.batch: found -1, expected a whole number of at least 1" in found


def test_mistakes_in_what_a_benchmark_overrides_are_named_with_their_place():
    found = complaints(nested("benchmarks.ytf.training", {"steps": -1, "stepz": 2}))
    assert found == [
        "mine.yaml: benchmarks.ytf.training.steps: found -1, expected a whole number of at least 0",
        "mine.yaml: benchmarks.ytf.training.stepz: unknown key; did you mean 'steps'?",
    ]


@pytest.mark.parametrize(
    ("path", "now"),
    [
        ("methods.tsal.filter", "ema_decay"),
        ("methods.tsal.trust_px", "confidence_px"),
        ("methods.mean_teacher.decay", "ema_decay"),
        ("training.averaging", "ema_decay"),
        ("presets.paper.training.averaging", "ema_decay"),
        ("unlabelled.unlabelled_clips", "clips"),
    ],
)
def test_an_old_name_leads_to_the_new_one(path, now):
    assert complaints(nested(path, 1)) == [f"mine.yaml: {path}: unknown key; it is called '{now}' now"]


def test_old_names_of_studies_and_variants_lead_to_the_new_ones_too():
    methods = ["tsal", "tsal_filter_05"]
    assert complaints(
        {
            "studies": {"mine": {"title": "Mine", "methods": methods}},
            "methods": {"a": {"base": "tsal", "filter_back": 0.5}},
        }
    ) == [
        "mine.yaml: methods.a.filter_back: unknown key; it is gone, leave it out",
        "mine.yaml: studies.mine.methods: unknown method 'tsal_filter_05'; it is called 'tsal_ema_decay_05' now",
    ]
    assert complaints(nested("claims.studies", ["comparison", "filter"])) == [
        "mine.yaml: claims.studies: unknown study 'filter'; it is called 'ema_decay' now"
    ]


# --- what only shows when all is laid over each other ---


FUSION = (
    "found 0.3, which mixes the sources tracking and offsets, with sources detection, view, tracks; "
    "expected sources: [tracking, offsets], or fusion: confidence"
)


def test_keys_of_a_method_that_do_not_go_together_are_found():
    assert complaints(nested("methods.mine", {"base": "tsal", "fusion": 0.3})) == [
        f"mine.yaml: methods.mine.fusion: {FUSION}"
    ]
    laid_over(nested("methods.mine", {"base": "tsal_pair", "fusion": 0.3}))


def test_they_are_laid_to_the_base_that_hands_them_down_and_not_to_its_variants():
    mine = {"base": "tsal", "fusion": 0.3, "run": False}
    methods = {
        "mine": mine,
        "heir": {"base": "mine", "weight": 2.0},
        "mended": {"base": "mine", "fusion": "confidence"},
    }
    assert complaints({"methods": methods}) == [f"mine.yaml: methods.mine.fusion: {FUSION}"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"methods": {"sbr": {"run": True, "clip_frames": 1}}},
            "mine.yaml: methods.sbr.clip_frames: found 1, expected at least 2 for sbr",
        ),
        (
            {"methods": {"sbr": {"run": True}}, "unlabelled": {"clip_frames": 1}},
            "mine.yaml: unlabelled.clip_frames: found 1, expected at least 2 for sbr",
        ),
        (
            {"benchmarks": {"ytf": {"detector": {"name": "vgg16_cpm", "input_px": 80}}}},
            "mine.yaml: benchmarks.ytf.detector.input_px: found 80, expected a multiple of 32 for vgg16_cpm",
        ),
        (
            {"detector": {"name": "vgg16_cpm", "input_px": 96, "decode": "expectation"}},
            "mine.yaml: detector.decode: found expectation, which is of distributions, with regressed heatmaps "
            "(vgg16_cpm); expected gaussian or centroid",
        ),
        (
            {"methods": {"mine": {"base": "supervised", "preset": "paper", "training": {"loss": {"likelihood": 1.0}}}}},
            "mine.yaml: methods.mine.training.loss.likelihood: found 1.0, which is of distributions, with regressed "
            "heatmaps (vgg16_cpm); expected 0",
        ),
        (
            {"methods": {"mine": {"base": "mean_teacher", "preset": "paper"}}},
            "mine.yaml: methods.mine.distance: found kl, which compares distributions, with regressed heatmaps "
            "(vgg16_cpm); expected mse",
        ),
        (
            {"methods": {"mine": {"base": "tsal", "pool": "synth"}}},
            "mine.yaml: methods.mine.pool: found synth, which has 68 landmarks, expected a benchmark with 19, as aflw "
            "has (on aflw)",
        ),
        (
            {"benchmarks": {"ytf": {"detector": {"width": 32}, "training": {"pretrained": "synth"}}}},
            "mine.yaml: benchmarks.ytf.detector.width: found 32, expected 16, as of the detector of synth to start "
            "from",
        ),
    ],
)
def test_settings_that_would_not_train_are_found_in_what_all_builds(values, message):
    assert complaints(values) == [message]


def test_what_all_does_not_build_stops_nothing_until_it_is_asked_for():
    config = laid_over({"detector": {"name": "vgg16_cpm"}})
    assert configuration.resolve_run(config, "ytf", "tsal", 0.05)["detector"]["name"] == "vgg16_cpm"
    with pytest.raises(InputError, match=r"methods\.mean_teacher\.distance: found kl, .* \(on ytf\)"):
        configuration.resolve_run(config, "ytf", "mean_teacher", 0.05)


def test_without_labels_nothing_is_learned():
    assert configuration.resolve_run(DEFAULT, "ytf", "supervised_synth_alone", 0)["labels"] == 0
    with pytest.raises(InputError, match=r"methods\.tsal: found a label budget of 0 on ytf"):
        configuration.resolve_run(DEFAULT, "ytf", "tsal", 0)


def test_the_check_takes_less_than_a_second():
    start = time.process_time()
    config = configuration.read_config([ROOT / "config.yaml"], ROOT / "config")
    for benchmark in ("ytf", "synth"):
        for study in configuration.studies_of(config, benchmark):
            for method in study.methods:
                configuration.resolve_run(config, benchmark, method, 0.05)
                configuration.warmup_name(config, benchmark, method)
    assert time.process_time() - start < 1


# --- what belongs to a method, a benchmark, a preset only ---


@pytest.mark.parametrize("section", ["methods", "presets", "studies"])
def test_a_name_that_would_not_do_in_a_path_or_a_shell_is_refused(section):
    entry = {"methods": {"base": "tsal"}, "presets": {}, "studies": {"title": "T", "methods": ["tsal", "supervised"]}}
    (line,) = complaints({section: {"a; rm -r b": entry[section]}})
    assert line.startswith(f"mine.yaml: {section}.a; rm -r b: not a name for ")


@pytest.mark.parametrize("budget", [" 0.5", "1_0", "0.5;ls", "1e-3"])
def test_a_budget_that_would_not_do_in_a_path_is_refused(budget):
    if budget == "1e-3":
        assert laid_over({"labels": [budget]})["labels"] == [budget]
    else:
        assert complaints({"labels": [budget]}) == [f'mine.yaml: labels.0: found "{budget}", expected {BUDGET}']
