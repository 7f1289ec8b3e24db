"""What follows from a configuration: the settings of each run, what is built, what is rendered."""

import copy

import pytest
import yaml
from configurations import DEFAULT, GIVEN, ROOT, changed, complaints, laid_over, nested

from tsal import config as configuration
from tsal import datasets, methods
from tsal.config.models import ConfigFile, FlowSettings
from tsal.errors import InputError
from tsal.settings.models import DetectorSettings, NoOptions, TrainingSettings, UnlabelledSettings, parse_settings
from tsal.settings.released import released_about

# --- settings of a run ---


def test_training_reads_the_settings_of_every_method():
    for method in DEFAULT["methods"]:
        resolved = configuration.resolve_run(DEFAULT, "synth", method, 0.05)
        read = parse_settings(resolved, methods.get(resolved["algorithm"]).settings, method)
        assert yaml.safe_load(yaml.safe_dump(resolved)) == resolved
        assert (read.benchmark, read.method, read.labels) == ("synth", method, 0.05)
        assert read.training.model_dump(mode="json") == resolved["training"]
    warmup = configuration.resolve_warmup(DEFAULT, "synth", "warmup", 0.05)
    assert parse_settings(warmup, NoOptions, "warmup").method == "warmup"


def test_the_configuration_shows_every_setting_that_there_is_with_its_default():
    given, unlabelled = GIVEN.values, UnlabelledSettings()
    for name, kind in (("detector", DetectorSettings), ("training", TrainingSettings), ("flow", FlowSettings)):
        assert given[name] == kind().model_dump(mode="json"), name
    assert given["unlabelled"] == unlabelled.model_dump(mode="json")
    for name in methods.names():
        own = {key: value for key, value in given["methods"][name].items() if key != "run"}
        assert own == methods.get(name).settings().model_dump(mode="json"), name
    for key in ("raw_dir", "download", "labels", "seeds", "finished", "thresholds", "device", "threads", "gpu"):
        default = ConfigFile.model_fields[key].default
        assert given[key] == (list(default) if isinstance(default, tuple) else default)


def test_the_benchmarks_of_the_configuration_show_the_defaults_of_their_data_sets():
    for name, entry in GIVEN.values["benchmarks"].items():
        defaults = datasets.get(name).options().model_dump(mode="json")
        assert {key: entry[key] for key in defaults if key in entry} == {
            key: value for key, value in defaults.items() if key in entry
        }


def test_only_methods_with_unlabelled_frames_and_keys_of_their_own_have_these_sections():
    runs = {name: configuration.resolve_run(DEFAULT, "ytf", name, 1) for name in ("supervised", "tsal")}
    assert not {"unlabelled", "options"} & set(runs["supervised"])
    assert list(runs["tsal"]["unlabelled"]) == ["clip_frames", "clips", "neighbours", "pool", "pool_share"]


def test_what_the_unlabelled_frames_are_is_said_once_and_overridden_by_a_method():
    config = laid_over({"unlabelled": {"clips": 3}, "methods": {"mine": {"base": "sbr", "unlabelled_clips": 5}}})
    of = {name: configuration.resolve_run(config, "ytf", name, 1) for name in ("tsal", "stld", "mine")}
    assert {name: run["unlabelled"]["clips"] for name, run in of.items()} == {"tsal": 3, "stld": 3, "mine": 5}
    assert "unlabelled_clips" not in of["mine"]["options"]


def test_the_examples_of_the_readme_are_what_they_say():
    config = laid_over(
        {
            "methods": {
                "tsal_filter09": {"base": "tsal", "ema_decay": 0.9},
                "tsal_quick": {"base": "tsal", "training": {"steps": 450}},
                "tsal_fine": {"base": "tsal", "detector": {"input_px": 128}},
            }
        },
        {"methods": {"tsal_pool": {"base": "tsal", "pool": "300vw", "run": False}}},
    )
    of = {
        name: configuration.resolve_run(config, "ytf", f"tsal_{name}", 1)
        for name in ("filter09", "quick", "fine", "pool")
    }
    assert of["filter09"]["options"]["ema_decay"] == 0.9
    assert of["quick"]["training"]["steps"] == 450
    assert of["fine"]["detector"]["input_px"] == 128
    assert of["pool"]["unlabelled"]["pool"] == "300vw"


def test_a_variant_is_its_base_with_its_own_keys():
    config = changed("methods.tsal_mu03", {"base": "tsal_pair", "fusion": 0.3})
    base, variant = (configuration.resolve_run(config, "ytf", name, 0.05) for name in ("tsal_pair", "tsal_mu03"))
    assert variant["algorithm"] == base["algorithm"] == "tsal"
    assert variant["options"] == {**base["options"], "fusion": 0.3}
    assert variant["training"] == base["training"]


def test_a_variant_of_a_variant_inherits_from_both():
    config = changed("methods.a", {"base": "tsal_pair", "ema_decay": 0.3, "fusion": 0.3, "run": False})
    config["methods"]["b"] = {"base": "a", "ema_decay": 0.4}
    options = configuration.resolve_run(config, "ytf", "b", 0.05)["options"]
    assert (options["ema_decay"], options["fusion"]) == (0.4, 0.3)


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


COST_OF_TSAL = {"methods": {"mine": {"base": "supervised", "cost_of": "tsal"}}}


def test_a_method_that_is_given_the_cost_of_another_takes_as_many_steps_as_cost_the_same():
    config = laid_over(COST_OF_TSAL, {"training": {"steps": 1000, "batch": 16}, "unlabelled": {"clips": 4}})
    # TSAL: a student learns from 16 + 8 images, a teacher at every third step, and 16 are only looked at.
    tsal, ours = (24 + 8) * 3 + 16, 16 * 3
    assert configuration.resolve_run(config, "ytf", "tsal", 1)["training"]["steps"] == 1000
    mine = configuration.resolve_run(config, "ytf", "mine", 1)["training"]
    assert mine == configuration.resolve_run(config, "ytf", "supervised", 1)["training"] | {
        "steps": round(1000 * tsal / ours)
    }
    assert "cost_of" not in mine


def test_what_a_longer_warm_up_costs_is_taken_off_its_steps():
    mine = {"base": "supervised", "cost_of": "tsal", "training": {"warmup_steps": 700}}
    shared = {"training": {"steps": 1000, "warmup_steps": 400, "batch": 16}, "unlabelled": {"clips": 4}}
    training = configuration.resolve_run(laid_over({"methods": {"mine": mine}}, shared), "ytf", "mine", 1)["training"]
    tsal = (24 + 8) * 3 + 16
    assert (training["warmup_steps"], training["steps"]) == (700, round((1000 * tsal - 300 * 16 * 3) / (16 * 3)))


def test_the_steps_of_a_cost_follow_those_of_the_benchmark():
    config = laid_over(COST_OF_TSAL, {"benchmarks": {"ytf": {"training": {"steps": 120}}}})
    steps = [configuration.resolve_run(config, "ytf", name, 1)["training"]["steps"] for name in ("tsal", "mine")]
    assert steps == [120, 280]


FLIPS = {"methods": {"flips": {"base": "supervised", "run": False, "flip_test": True}}}


def test_a_method_with_a_flip_test_is_trained_as_its_base():
    config = laid_over(FLIPS)
    assert [configuration.trained_as(config, name) for name in ("flips", "tsal")] == ["supervised", "tsal"]
    settings = [configuration.resolve_run(config, "synth", name, 1) for name in ("flips", "supervised")]
    assert settings[0] == settings[1] | {"method": "flips", "flip_test": True}


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ({"mine": {"base": "tsal", "flip_test": True, "weight": 2.0}}, "mine.flip_test: found it beside weight"),
        ({"supervised": {"flip_test": True}}, "supervised.flip_test: found it without a base, expected a variant"),
        ({"mine": {"base": "flips", "run": False}}, "mine.base: found flips, which has flip_test and no training"),
    ],
)
def test_a_flip_test_that_would_need_a_training_of_its_own_is_explained(entries, complaint):
    lines = complaints({"methods": {**FLIPS["methods"], **entries}})
    assert any(line.startswith(f"mine.yaml: methods.{complaint}") for line in lines), lines


def test_where_nothing_is_mirrored_in_training_there_is_no_flip_test():
    with pytest.raises(InputError, match=r"methods\.flips\.flip_test: found true for a method that mirrors no face"):
        configuration.resolve_run(laid_over(FLIPS), "ytf", "flips", 1)  # whose flip is 0


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"cost_of": "tsall"}, "unknown method 'tsall'; did you mean 'tsal'?"),
        ({"cost_of": "mine"}, "found mine, which is given a cost itself; expected a method with steps of its own"),
        ({"cost_of": "tsal", "training": {"steps": 5}}, "beside training.steps, which follow from it; expected one"),
        (
            {"cost_of": "tsal", "training": {"warmup_steps": 99999}},
            "found tsal, which costs less than the warm-up alone; expected fewer training.warmup_steps",
        ),
        ({"cost_of": "tsal", "detector": {"width": 8}}, "found tsal, which has another detector; expected a method"),
    ],
)
def test_a_cost_that_cannot_be_given_is_explained(entry, complaint):
    lines = complaints({"methods": {"mine": {"base": "supervised", "run": True, **entry}}})
    assert [line.startswith("mine.yaml: methods.mine.cost_of: ") for line in lines] == [True], lines
    assert complaint in lines[0]


def test_a_benchmark_overrides_training_keys_and_a_method_overrides_those():
    own = {"steps": 5, "augmentation": {"flip": 0.3}}
    config = changed("benchmarks.ytf.training", own)
    config["methods"]["mine"] = {"base": "tsal", "training": {"steps": 7}}
    tsal, mine = (configuration.resolve_run(config, "ytf", name, 0.05)["training"] for name in ("tsal", "mine"))
    assert (tsal["steps"], mine["steps"]) == (5, 7)
    assert tsal["augmentation"] == mine["augmentation"] == {**DEFAULT["training"]["augmentation"], "flip": 0.3}
    assert configuration.warmup_name(config, "ytf", "tsal") == "warmup"
    assert configuration.resolve_warmup(config, "ytf", "warmup", 0.05)["training"] == tsal


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("raw_dir", "elsewhere"),
        ("threads", 1),
        ("device", "cpu"),
        ("gpu", 1),
        ("labels", [0.5]),
        ("seeds", [5]),
        ("methods.other", {"base": "tsal", "weight": 0.1}),
        ("methods.tsal.run", False),
    ],
)
def test_settings_do_not_hold_what_training_does_not_depend_on(path, value):
    config = laid_over(nested(path, value))
    for method in DEFAULT["methods"]:
        before, after = (configuration.resolve_run(c, "synth", method, 0.05) for c in (DEFAULT, config))
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
    assert (settings.people, settings.clip_frames) == (200, 8)


def test_what_is_rendered_does_not_depend_on_the_number_of_shards_nor_on_training():
    changed_config = changed("benchmarks.synth.shards", 3)
    changed_config["benchmarks"]["synth"]["training"] = {"steps": 5}
    expected = configuration.render_settings(DEFAULT, "synth")
    assert configuration.render_settings(changed_config, "synth") == expected
    assert (configuration.shards(DEFAULT, "synth"), configuration.shards(changed_config, "synth")) == (4, 3)


def test_a_benchmark_that_is_not_in_the_configuration_is_rendered_as_its_data_set_has_it():
    config = laid_over()
    for name in ("synth",):
        del config["benchmarks"][name]
    assert configuration.render_settings(config, "synth") == configuration.render_settings(DEFAULT, "synth")
    assert configuration.shards(config, "synth") == 4


# --- warm-up ---


def test_methods_that_train_alike_share_the_warm_up():
    config = changed("methods.mine", {"base": "tsal", "ema_decay": 0.1, "training": {"batch": 16}})
    alike = ["supervised", "tsal", "tsal_literal", "tsal_ema_decay_05", "mine"]
    assert {configuration.warmup_name(config, "ytf", method) for method in alike} == {"warmup"}


def test_methods_with_the_same_overrides_share_a_warm_up_of_their_own():
    config = changed("methods.a", {"base": "tsal", "training": {"batch": 8}})
    config["methods"]["b"] = {"base": "supervised", "training": {"batch": 8}}
    config["methods"]["c"] = {"base": "supervised", "training": {"batch": 9}}
    a, b, c = (configuration.warmup_name(config, "ytf", method) for method in "abc")
    assert a == b
    assert len({"warmup", a, c}) == 3
    assert configuration.resolve_warmup(config, "ytf", a, 0.05)["training"]["batch"] == 8
    assert configuration.resolve_warmup(config, "ytf", "warmup", 0.05)["training"]["batch"] == 16


def test_a_warm_up_depends_on_training_alone():
    other = changed("methods.tsal.ema_decay", 0.5)
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


def test_a_method_can_start_from_the_released_detector():
    config = changed("training.pretrained", "released")
    config["detector"] |= {"width": released_about()["detector"]["width"], "input_px": 128, "sigma": 5.0}
    assert configuration.pretraining(config, "ytf", "warmup") == ("released", "")
    config["detector"]["width"] = 8
    with pytest.raises(InputError, match="as of the detector of released to start from"):
        configuration.resolve_run(config, "ytf", "supervised", 0.05)
    with pytest.raises(InputError, match="which has 68 landmarks, expected a benchmark with 19"):
        configuration.resolve_run(config, "aflw", "supervised", 0.05)


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
    geometry = dict(scale=0.1, rotation=20, shift=0.117, flip=0, mirror_shift=0)
    assert training["augmentation"] == geometry | dict(colour=0, erase=0)
    tsal, frames = run["options"], run["unlabelled"]
    assert (tsal["fusion"], tsal["ema_decay"]) == (0.5, 0.6)
    assert (frames["clip_frames"], frames["neighbours"]) == (10, "previous")
    assert (tsal["observer"], tsal["loss"], tsal["teacher_rate"]) == ("student", "mse", 1)


def test_a_benchmark_chooses_methods_and_labels_for_its_table():
    config = changed("benchmarks.ytf.methods", ["tsal_literal", "supervised"])
    config["benchmarks"]["ytf"]["labels"] = ["n50", 1]
    assert configuration.methods_to_run(config, "ytf") == ["tsal_literal", "supervised"]
    assert configuration.labels_of(config, "ytf") == ["n50", 1]
    assert configuration.methods_to_run(config, "synth") == ["supervised", "tsal"]
    assert configuration.labels_of(config, "synth") == DEFAULT["labels"]


def test_a_study_knows_its_methods_their_names_and_what_is_swept():
    study = configuration.study(DEFAULT, "300vw", "ema_decay")
    assert list(study.methods)[:2] == ["supervised", "tsal_ema_decay_0"]
    assert study.values == {
        "tsal_ema_decay_0": 0.0,
        "tsal_ema_decay_05": 0.5,
        "tsal_ema_decay_06": 0.6,
        "tsal_ema_decay_07": 0.7,
        "tsal_ema_decay_08": 0.8,
        "tsal_ema_decay_09": 0.9,
        "tsal": 0.99,
        "tsal_ema_decay_0999": 0.999,
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
    config = changed("claims.studies", ["comparison", "ema_decay"])
    names = {b: [study.name for study in configuration.claim_studies(config, b)] for b in ("ytf", "300w")}
    assert names == {"ytf": ["comparison", "ema_decay"], "300w": ["ema_decay"]}


def test_the_paper_has_the_studies_of_its_benchmarks_but_those_that_are_not_for_it():
    paper = [study.name for study in configuration.paper_studies(DEFAULT, "300w")]
    others = {"equal_cost", "mirror"}
    others |= set(yaml.safe_load((ROOT / "config/studies/300w.yaml").read_text(encoding="utf-8"))["studies"])
    assert paper == [study.name for study in configuration.studies_of(DEFAULT, "300w") if study.name not in others]
    assert "published" in paper


def test_studies_that_name_benchmarks_are_made_of_these_alone():
    names = {b: [study.name for study in configuration.studies_of(DEFAULT, b)] for b in ("300w", "aflw")}
    assert "pools" in names["300w"] and "pools" not in names["aflw"]
    with pytest.raises(InputError, match=r"studies\.nothing: missing; the config has .*comparison, full"):
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


def test_whose_boxes_faces_have_is_part_of_what_a_face_table_is_made_of_only_where_they_are_found():
    own, found = (laid_over({"benchmarks": {"ytf": {"boxes": boxes}}}) for boxes in ("own", "found"))
    made_of = configuration.index_made_of(DEFAULT, "ytf")
    assert configuration.index_made_of(own, "ytf") == made_of
    assert configuration.index_made_of(found, "ytf") == made_of | {"boxes": "found"}


@pytest.mark.parametrize("benchmark", ["aflw", "synth"])
def test_boxes_that_errors_are_divided_by_and_those_of_rendered_faces_stay_their_own(benchmark):
    (line,) = complaints({"benchmarks": {benchmark: {"boxes": "found"}}})
    assert line.startswith(f"mine.yaml: benchmarks.{benchmark}.boxes: unknown key")


def test_options_of_faces_are_the_benchmarks_own_where_the_configuration_says_nothing():
    config = changed("benchmarks.300w.counts", {"train": 7})
    del config["benchmarks"]["300w"]["box"]
    assert configuration.index_options(config, "300w") == {
        **{"sets": ["afw", "helen", "ibug", "lfpw"], "box": "DET", "validation": 0.05},
        "counts": {"train": 7},
    }
    default = configuration.index_options(DEFAULT, "300w")["counts"]
    assert (default["train"], default["common"], default["challenging"]) == (3148, 554, 135)


def test_of_a_benchmark_the_archives_are_wanted_that_its_options_need():
    def wanted(**options):
        return sorted(configuration.dataset_of(changed("benchmarks.300w", options), "300w").archives)

    assert wanted(box="GTL") == ["afw.zip", "helen.zip", "ibug.zip", "lfpw.zip"]
    assert wanted(sets=["lfpw", "afw"]) == ["afw.zip", "bounding_boxes.zip", "lfpw.zip"]
    assert configuration.dataset_of(DEFAULT, "aflw") is datasets.get("aflw")
    with pytest.raises(InputError, match=r"aflw: found no archive 'a\.zip', expected some of aflw\.tar\.gz, AFLWinfo"):
        datasets.get("aflw").only(["a.zip"])


def test_the_order_of_sets_is_no_reason_to_index_them_anew():
    def options(*sets):
        return configuration.index_options(changed("benchmarks.300w.sets", list(sets)), "300w")

    assert options("lfpw", "afw") == options("afw", "lfpw")
