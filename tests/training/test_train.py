"""Training runs: what they leave behind, and that a killed one ends as if it had not been killed."""

import functools
import os
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
import trainings
import yaml
from trainings import train_method, train_warm_up

from tsal import methods
from tsal.data.crops import write_crops
from tsal.data.faces import read_faces
from tsal.detectors import checkpoints
from tsal.detectors.predict import load_detector
from tsal.errors import InputError
from tsal.flow.pwc import FlowNetwork, load_network, save_network
from tsal.methods import common, read_settings
from tsal.settings.models import TrainingSettings
from tsal.training import run as training_run
from tsal.training import train

CPU = torch.device("cpu")
FAST = {"warmup_steps": 4, "steps": 8, "batch": 4, "evaluate_every": 4, "probe": 6, "precision": "float32"}


# The loop as the paper has it, which tracks.
PAPER = {"sources": ["tracking", "offsets"], "teacher_source": "tracking", "observer": "student", "fusion": 0.5}
PAPER |= {"loss": "mse", "teacher_rate": 1.0, "teacher_every": 1, "ema_decay": 0.6}


def write_settings(folder, method="tsal", tsal=None, **training):
    """Settings of a run; `tsal`: its keys, and unlabelled_clips."""
    own = dict(tsal or {})
    sections = {
        "detector": {"input_px": 32, "decode": "gaussian"},
        "training": FAST | training,
        "unlabelled": {"clips": own.pop("unlabelled_clips", 2)},
    }
    if method == "tsal":
        sections["options"] = PAPER | own
    return trainings.write_settings(folder, method, **sections)


@pytest.fixture(scope="module")
def paths(ytf_tiny, tmp_path_factory):
    """Crops, flow and the finished warm-up of seed 0. They are shared: read them only."""
    from tsal.data.crops import open_crops
    from tsal.flow.storage import write_flow

    folder = tmp_path_factory.mktemp("start")
    crops, flow, warmup = ytf_tiny / "crops", folder / "flow.json", folder / "warmup.safetensors"
    write_flow(open_crops(crops, "train"), flow, "dis", 1)
    settings = read_settings(write_settings(folder))
    train_warm_up(settings, crops, warmup, folder / "warmup.csv", 0, None, CPU)
    return crops, flow, warmup


@pytest.fixture(scope="module")
def finished(paths, tmp_path_factory):
    """The checkpoint of a finished run of a method, trained once for all tests. It is shared: read it only."""
    folder = tmp_path_factory.mktemp("finished")
    return functools.cache(lambda method: run(folder, paths, method, method))


def run(tmp_path, paths, name, method="tsal", tsal=None, network=None, **training):
    crops, flow, warmup = paths
    settings = read_settings(write_settings(tmp_path, method, tsal, **training))
    out = tmp_path / name / "checkpoint.safetensors"
    train_method(settings, warmup, crops, None, flow, network, out, tmp_path / name / "log.csv", 0, None, CPU)
    return out


def test_a_run_leaves_a_checkpoint_and_a_log_and_no_partial_state(finished):
    out = finished("tsal")
    log = pd.read_csv(out.with_name("log.csv"))
    assert log["iteration"].tolist() == [8, 10, 12]
    assert sorted(p.name for p in out.parent.iterdir()) == ["checkpoint.safetensors", "log.csv", "machine.yaml"]
    measured = log.iloc[-1]
    for column in ("val_nme_student", "val_nme_teacher", "noise_detection", "noise_tracking", "noise_offsets"):
        assert measured[column] > 0
    assert {"noise_fused", "noise_teacher", "learning_rate", "seconds", "weight"} <= set(log.columns)


@pytest.mark.parametrize("key", ["labels", "seed", "detector"])
def test_a_warm_up_of_another_run_starts_none(tmp_path, paths, key):
    crops, _, warmup = paths
    values = yaml.safe_load(write_settings(tmp_path, "supervised").read_text())
    values |= {"labels": 0.2} if key == "labels" else {}
    values |= {"detector": {"input_px": 32, "decode": "expectation"}} if key == "detector" else {}
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump(values))
    out, seed = tmp_path / "out.safetensors", int(key == "seed")
    with pytest.raises(InputError, match=rf"warmup\.safetensors: found a warm-up with {key} .*, expected "):
        train_method(read_settings(path), warmup, crops, None, None, None, out, tmp_path / "log.csv", seed, None, CPU)
    assert not out.exists()


def test_among_still_images_the_noise_of_tracking_is_not_measured(tmp_path, paths):
    crops, _, warmup = paths
    stills = tmp_path / "stills"
    shutil.copytree(crops, stills)
    faces = read_faces(crops.parent / "faces.parquet")
    faces = faces[faces["split"] == "train"].assign(frame=-1)
    write_crops(faces, stills / "train.json", input_px=32, expand=0.2, margin=4 / 3)
    log = tmp_path / "log.csv"
    settings = read_settings(write_settings(tmp_path))
    train_method(settings, warmup, stills, None, None, None, tmp_path / "stills.safetensors", log, 0, None, CPU)
    measured = set(pd.read_csv(log).columns)
    assert "noise_detection" in measured and "noise_teacher" in measured
    assert not {"noise_tracking", "noise_offsets"} & measured


@pytest.fixture
def flow_network(tmp_path):
    """A network of tracker pwc, untrained."""
    torch.manual_seed(0)
    save_network(FlowNetwork("float32"), tmp_path / "network.safetensors", {})
    return tmp_path / "network.safetensors"


def test_the_papers_loop_adapts_a_flow_network_of_the_student_and_one_of_the_teacher(
    tmp_path, paths, flow_network, monkeypatch
):
    """The teacher's takes in the student's, and each network's frames come with the flow of its own."""
    crops, flow, warmup = paths
    options = {"tracker": "pwc", "adapt_flow": True, "ema_decay": 0.25, "unlabelled_clips": 1}
    settings = read_settings(write_settings(tmp_path, tsal=options, steps=3))
    runs, averaged = [], []
    real = common.exponential_moving_average

    def spy(teacher, student, decay):
        before = {name: value.clone() for name, value in teacher.state_dict().items()}
        real(teacher, student, decay)
        averaged.append((teacher, student, decay, before))

    monkeypatch.setattr(common, "exponential_moving_average", spy)
    monkeypatch.setattr(train, "_new_run", lambda *rest, new=train._new_run: runs.append(new(*rest)) or runs[-1])
    out = tmp_path / "adapted" / "checkpoint.safetensors"
    train_method(settings, warmup, crops, None, flow, flow_network, out, tmp_path / "log.csv", 0, None, CPU)
    parts = runs[0].parts
    start, flows = load_network(flow_network).state_dict(), (parts["student_flow"], parts["teacher_flow"])
    for network in flows:
        assert any(not torch.equal(value, start[name]) for name, value in network.state_dict().items())
    of_flow = [call for call in averaged if call[0] is parts["teacher_flow"]]
    assert len(of_flow) == settings.training.steps and {call[2] for call in of_flow} == {0.25}
    teacher, student, decay, before = of_flow[-1]
    name = next(iter(before))
    expected = decay * before[name] + (1 - decay) * student.state_dict()[name]
    torch.testing.assert_close(teacher.state_dict()[name], expected)
    assert load_detector(out, CPU).network.trunk  # what is shipped is the detector alone


def test_to_adapt_flow_without_its_network_is_explained(tmp_path, paths):
    crops, flow, warmup = paths
    settings = read_settings(write_settings(tmp_path, tsal={"tracker": "pwc", "adapt_flow": True}))
    with pytest.raises(InputError, match=r"tsal: adapt_flow needs the tracker's network; expected --flow-network"):
        train_method(settings, warmup, crops, None, flow, None, tmp_path / "c", tmp_path / "log.csv", 0, None, CPU)
    with pytest.raises(InputError, match="adapt_flow: found true with tracker dis, expected pwc"):
        read_settings(write_settings(tmp_path, tsal={"tracker": "dis", "adapt_flow": True}))


def test_without_faces_to_validate_nothing_is_measured_and_the_averaged_weights_are_shipped(tmp_path, paths, finished):
    """As with `validation: 0` on benchmarks whose owners give no validation set."""
    crops, _, warmup = paths
    bare = tmp_path / "bare"
    shutil.copytree(crops, bare)
    table = read_faces(crops.parent / "faces.parquet")
    write_crops(table[table["split"] == "none"], bare / "validation.json", input_px=32, expand=0.2, margin=4 / 3)
    settings = read_settings(write_settings(tmp_path, "supervised"))
    out = tmp_path / "blind" / "checkpoint.safetensors"
    train_method(settings, warmup, bare, None, None, None, out, tmp_path / "blind.csv", 0, None, CPU)
    log = pd.read_csv(tmp_path / "blind.csv")
    assert not [column for column in log.columns if column.startswith("val_")]
    assert out.exists() and finished("supervised").exists()


def test_a_run_learns_from_the_frames_of_its_pool(tmp_path, paths, finished):
    crops, flow, warmup = paths
    settings = read_settings(write_settings(tmp_path))
    out = tmp_path / "checkpoint.safetensors"
    train_method(settings, warmup, crops, crops, flow, None, out, tmp_path / "log.csv", 0, None, CPU)
    ends = [load_detector(path, CPU).network.state_dict() for path in (finished("tsal"), out)]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())  # the same frames, given as a pool


def test_the_supervised_baseline_ships_the_better_of_raw_and_averaged_weights(tmp_path, paths, finished):
    out = finished("supervised")
    end = pd.read_csv(out.with_name("log.csv")).iloc[-1]
    shipped = load_detector(out, CPU)
    measure = train.Measurements(
        train.TrainingData(
            read_settings(write_settings(tmp_path, "supervised")), train.open_crops(paths[0], "train"), None, 0, CPU
        ),
        train.open_crops(paths[0], "validation"),
    )
    found = measure._on_validation(shipped.network)
    assert found == pytest.approx(min(end["val_nme_raw"], end["val_nme_averaged"]), abs=1e-3)


def test_going_on_from_the_warm_up_is_one_supervised_run(tmp_path, paths, finished):
    """Warm-up and supervised baseline together are the same as a warm-up of their joint length."""
    out = finished("supervised")
    settings = read_settings(write_settings(tmp_path, "supervised"))
    whole = settings.replace(training=settings.training.replace(warmup_steps=12, steps=0))
    train_warm_up(whole, paths[0], tmp_path / "whole", tmp_path / "w.csv", 0, None, CPU)
    from safetensors.torch import load_file

    whole, shipped = load_file(tmp_path / "whole"), load_file(out)
    matches = [
        all(torch.equal(shipped[key], whole[f"network/{name}/{key}"]) for key in shipped)
        for name in ("raw", "averaged")
    ]
    assert any(matches)


@pytest.mark.parametrize("method", ["tsal", "supervised", "adapting flow"])
def test_an_interrupted_run_goes_on_and_ends_with_the_same_weights(
    tmp_path, paths, finished, flow_network, interrupted, method
):
    if method == "adapting flow":
        adapting = {"tracker": "pwc", "adapt_flow": True, "unlabelled_clips": 1}
        options = {"tsal": adapting, "network": flow_network}
        whole = run(tmp_path, paths, "whole", **options)
    else:
        options, whole = {"method": method}, finished(method)
    with interrupted(9):
        run(tmp_path, paths, "killed", **options)
    assert [p.name for p in (tmp_path / "killed").iterdir()] == ["checkpoint.safetensors.partial"]
    resumed = run(tmp_path, paths, "killed", **options)
    assert resumed.read_bytes() == whole.read_bytes()
    logs = [pd.read_csv(p.with_name("log.csv")).drop(columns="seconds") for p in (whole, resumed)]
    pd.testing.assert_frame_equal(*logs)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_training_loses_no_step(tmp_path, paths, number):
    crops, _, warmup = paths
    settings = write_settings(tmp_path, "supervised", steps=40, evaluate_every=1000)
    train_method(
        *(read_settings(settings), warmup, crops, None, None, None),
        *(tmp_path / "whole", tmp_path / "whole.csv", 0, 1, CPU),
    )
    # A loop that waits in its step 20 until it is sent a signal, so that it comes in the middle.
    program = """
import sys, time
from pathlib import Path
from tsal import cli
from tsal.training import run
original = run.Run.optimizer_step
def optimizer_step(self, name, loss, step, multiple=1.0):
    if step == STEP and not Path("waits").exists():
        Path("waits").touch()
        while not self._interruption.asked:
            time.sleep(0.01)
    original(self, name, loss, step, multiple)
run.Run.optimizer_step = optimizer_step
sys.exit(cli.main())
""".replace("STEP", str(read_settings(settings).training.warmup_steps + 20))
    read = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    inputs = ["--settings", settings, "--warmup", warmup, "--crops", crops]
    outputs = ["-o", tmp_path / "killed", "--log", tmp_path / "killed.csv"]
    command = [sys.executable, "-c", program, "train", *inputs, "--seed", "0", "--threads", "1", *outputs]

    # A process that was started in the background ignores SIGINT, and so do its children unless told otherwise.
    def heed():
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(command, preexec_fn=heed, **read)
    while not (tmp_path / "waits").exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 128 + number and "Traceback" not in said
    assert said.splitlines()[-1] == "tsal train: interrupted; run the same command again to go on"
    assert f"{number.name}: ending after this step" in said
    assert not (tmp_path / "killed").exists() and not (tmp_path / "killed.lock").exists()
    done = checkpoints.read_about(tmp_path / "killed.partial", training_run.STATE)["done"]
    assert done == read_settings(settings).training.warmup_steps + 21  # its step is finished, none is lost
    subprocess.run(command, check=True, **read)
    assert (tmp_path / "killed").read_bytes() == (tmp_path / "whole").read_bytes()
    logs = [pd.read_csv(tmp_path / name).drop(columns="seconds") for name in ("whole.csv", "killed.csv")]
    pd.testing.assert_frame_equal(*logs)


def test_a_measurement_that_is_interrupted_is_made_by_the_resumed_run(tmp_path, paths, finished, monkeypatch):
    whole, original, calls = finished("supervised"), train.Measurements.__call__, []

    def interrupt(self, run):
        calls.append(run.log)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGTERM)
        return original(self, run)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train.Measurements, "__call__", interrupt)
        run(tmp_path, paths, "killed", "supervised")
    resumed = run(tmp_path, paths, "killed", "supervised")
    assert resumed.read_bytes() == whole.read_bytes()
    logs = [pd.read_csv(p.with_name("log.csv")).drop(columns="seconds") for p in (whole, resumed)]
    pd.testing.assert_frame_equal(*logs)


def test_states_are_saved_by_time_and_not_so_often_that_saving_is_what_takes_it(tmp_path, paths, monkeypatch):
    clock, saved = [0.0], []
    monkeypatch.setattr(training_run.time, "monotonic", lambda: clock[0])
    state = training_run.Run(TrainingSettings(), {}, {}, CPU, "test", tmp_path / "state", save_every=30.0)

    def save(path, done, progress):
        saved.append(done)
        clock[0] += 3.0  # of writing, at most a twentieth of the time: every 60 s

    monkeypatch.setattr(state, "save", save)
    for step in state.steps(0, 100):
        clock[0] += 10.0
        state.finish_step(step, loss=0.0)
    assert saved[:4] == [3, 9, 15, 21] and saved[-1] == 100


def test_a_run_says_what_computed_it_and_a_warm_up_made_again_is_the_same_file(tmp_path, paths, finished):
    machine = yaml.safe_load((finished("supervised").with_name("machine.yaml")).read_text())
    assert [part["from_step"] for part in machine] == [read_settings(write_settings(tmp_path)).training.warmup_steps]
    assert machine[0]["device"] == "cpu" and machine[0]["precision"] in ("float32", "bfloat16")
    assert machine[0]["threads"] == torch.get_num_threads() and machine[0]["torch"] == torch.__version__
    about = checkpoints.read_about(paths[2], training_run.STATE)
    assert about["done"] == machine[0]["from_step"] and not {"seconds", "machines"} & set(about)


def test_a_damaged_state_is_named_and_says_what_to_do(tmp_path, paths):
    state = tmp_path / "tsal" / "checkpoint.safetensors.partial"
    state.parent.mkdir()
    state.write_bytes(b"half a sta")
    with pytest.raises(
        InputError,
        match=r"checkpoint\.safetensors\.partial: damaged.*expected a tsal training state.*Delete it to begin again",
    ):
        run(tmp_path, paths, "tsal")


def test_the_state_of_a_run_with_other_settings_is_not_gone_on_from(tmp_path, paths, finished, interrupted):
    with interrupted(9):
        run(tmp_path, paths, "killed", "supervised", loss={"sic": 0.5})
    assert run(tmp_path, paths, "killed", "supervised").read_bytes() == finished("supervised").read_bytes()


def test_a_warm_up_of_another_length_is_refused(tmp_path, paths):
    with pytest.raises(InputError, match=r"warmup\.safetensors.*expected 5 steps"):
        run(tmp_path, paths, "tsal", warmup_steps=5)


@pytest.mark.parametrize(
    "change",
    [
        *({"done": value} for value in (10**9, -1, "1", None)),
        *({"log": value} for value in ("x", [1])),
        *({"machines": 5}, {"seconds": "x"}, {"skipped": "x"}, {"unmeasured": []}),
    ],
)
def test_a_state_that_says_what_no_run_writes_is_refused(tmp_path, change):
    path = tmp_path / "checkpoint.safetensors.partial"
    about = {"done": 1, "identity": "a", "log": [], "machines": [], "seconds": 1.0, "skipped": 0, "unmeasured": None}
    checkpoints.save(path, training_run.STATE, {}, about | change)
    state = training_run.Run(TrainingSettings(), {}, {}, CPU, "test", path, identity="a")
    with pytest.raises(InputError, match=rf"partial: damaged: its {next(iter(change))} is .*Delete it to begin again"):
        next(state.steps(0, 100))


def test_student_and_teacher_do_not_share_their_optimisers_state(tmp_path, paths):
    settings = read_settings(write_settings(tmp_path))
    starts = methods.get("tsal").networks
    new = train._new_run(settings, starts, CPU, "test")
    new.load(paths[2], starts)
    states = [next(iter(optimizer.state.values()))["exp_avg"] for optimizer in new.optimizers.values()]
    assert torch.equal(*states) and states[0].data_ptr() != states[1].data_ptr()


def test_a_loss_that_is_no_number_ends_the_run_with_advice(tmp_path, paths):
    with pytest.raises(InputError, match="learning_rate"):
        run(tmp_path, paths, "wild", optimizer={"learning_rate": 1e30, "linear_steps": 0})


def test_rates_of_biases_and_heatmap_head_are_multiples_and_vectors_do_not_decay():
    from tsal.detectors import build
    from tsal.settings.models import OptimizerSettings

    network = build("compact", 5)
    settings = OptimizerSettings(name="sgd", bias_rate=2, heatmap_rate=4, weight_decay=5e-4)
    groups = training_run.parameter_groups(network, settings)
    by_name = {id(p): group for group in groups for p in group["params"]}
    named = dict(network.named_parameters())
    for name, rate, decay in [
        ("trunk.lateral.0.weight", 1, 5e-4),
        ("trunk.lateral.0.bias", 2, 0),
        ("heatmap_head.layers.1.weight", 4, 5e-4),
        ("heatmap_head.layers.1.bias", 8, 0),
    ]:
        assert (by_name[id(named[name])]["rate"], by_name[id(named[name])]["weight_decay"]) == (rate, decay)


def test_learning_rates_follow_their_schedules():
    from tsal.settings.models import OptimizerSettings

    cosine = OptimizerSettings(learning_rate=1.0, linear_steps=10)
    assert training_run.learning_rate(cosine, 0, 100) == pytest.approx(0.1)
    assert training_run.learning_rate(cosine, 50, 100) == pytest.approx(0.5)
    paper = OptimizerSettings(learning_rate=5e-5, schedule="halving", linear_steps=0)
    epochs = {0: 1, 89: 1, 90: 2, 110: 4, 130: 8, 149: 8}
    for epoch, divisor in epochs.items():
        assert training_run.learning_rate(paper, epoch, 150) == pytest.approx(5e-5 / divisor)
        assert training_run.learning_rate(paper, 40 + epoch, 190, warmup=40) == pytest.approx(5e-5 / divisor)
    assert training_run.learning_rate(paper, 39, 190, warmup=40) == pytest.approx(5e-5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_termination_by_a_scheduler_and_a_closed_terminal_are_interruptions_too(tmp_path, number):
    script = "import os, signal, sys, tsal.cli as c; c.settings = None\n"
    script += f"def stop(a): os.kill(os.getpid(), {number:d})\n"
    script += "c.report = stop; stop.__doc__ = 'x'; stop.__name__ = 'report'\n"
    script += "c.settings = lambda a: None; c.settings.__doc__ = 'x'; c.settings.__name__ = 'settings'\n"
    script += "sys.exit(c.main(['report', '-o', 'x', 'y']))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 128 + number, done.stderr


def test_a_pretrained_run_without_steps_ships_the_network_that_it_started_from(tmp_path, paths, finished):
    first = finished("supervised")
    crops = paths[0]
    still = {"pretrained": "synth", "warmup_steps": 0, "steps": 0}
    settings = read_settings(write_settings(tmp_path, "supervised", **still)).replace(labels=0)
    settings = settings.replace(detector=settings.detector.replace(decode="centroid", sigma=2.0))
    warmup, out = tmp_path / "w.safetensors", tmp_path / "out.safetensors"
    train_warm_up(settings, crops, warmup, tmp_path / "w.csv", 0, None, CPU, first)
    train_method(settings, warmup, crops, None, None, None, out, tmp_path / "log.csv", 0, None, CPU)
    start, end = (load_detector(path, CPU).network.state_dict() for path in (first, out))
    assert all(torch.equal(start[name], end[name]) for name in start)


def test_a_training_in_tf32_on_a_cpu_is_refused(tmp_path, paths):
    settings = read_settings(write_settings(tmp_path, "supervised", precision="tf32"))
    with pytest.raises(InputError, match=r"training\.precision: found tf32, which device cpu does not have"):
        train_warm_up(settings, paths[0], tmp_path / "w.safetensors", tmp_path / "w.csv", 0, None, CPU)


def test_a_label_budget_of_nothing_is_refused_by_what_learns(tmp_path, paths):
    settings = read_settings(write_settings(tmp_path, "supervised")).replace(labels=0)
    with pytest.raises(InputError, match="label budget of 0"):
        train_warm_up(settings, paths[0], tmp_path / "w.safetensors", tmp_path / "w.csv", 0, None, CPU)


def test_another_network_is_no_start(tmp_path, paths, finished):
    first = finished("supervised")
    settings = read_settings(write_settings(tmp_path, "supervised"))
    other = settings.replace(detector=settings.detector.replace(width=24))
    with pytest.raises(InputError, match=r"checkpoint\.safetensors: found a detector"):
        train_warm_up(other, paths[0], tmp_path / "w.safetensors", tmp_path / "w.csv", 0, None, CPU, first)
