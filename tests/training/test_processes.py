"""Two processes that train together, against one alone with the same global batch: equal but for the order of sums.

How far that goes is measured, not guessed. A *nudge* moves every weight of the start by a unit in the last place, and
the spread is how far the losses, or the weights, of one process come apart from those without it: the largest of three
nudges'. In every step the sums of two processes differ from those of one by rounding, which is no more than such a
nudge, and grows no faster: T steps allow T spreads. Landmarks are decoded as expectations, since the strongest cell of
a map jumps by a rounding.
"""

import pytest
import together
import torch
import yaml
from trainings import write_settings

from tsal.data.crops import open_crops
from tsal.flow.storage import write_flow

pytestmark = pytest.mark.slow
WARMUP, STEPS = 3, 5
KILLED = WARMUP + 3
NUDGES = (1, 2, 3)
# Odd numbers of images, so that shares differ. Plain gradient descent too: Adam hides a gradient of the wrong scale.
TRAINING = {"warmup_steps": WARMUP, "steps": STEPS, "batch": 5, "evaluate_every": 9, "probe": 5, "precision": "float32"}
SGD = {"optimizer": {"name": "sgd", "learning_rate": 1e-4, "weight_decay": 5e-4, "linear_steps": 0}}
METHODS = {"supervised": SGD, "mean_teacher": SGD, "tsal": {}, "stld": {}}
SECTIONS = {"detector": {"width": 8, "input_px": 32, "decode": "expectation"}, "unlabelled": {"clips": 2}}


@pytest.fixture(scope="module")
def start(ytf_tiny, tmp_path_factory):
    """A function of a method: its settings, and what it starts from, a warm-up by one process."""
    folder = tmp_path_factory.mktemp("start")
    crops, flow = ytf_tiny / "crops", folder / "flow.json"
    write_flow(open_crops(crops, "train"), flow, "dis", 1)

    def of(method):
        settings = write_settings(folder, method, training=TRAINING | METHODS[method], **SECTIONS)
        warmup = folder / method / "checkpoint.safetensors"
        if not warmup.exists():
            together.trains(folder / method, {"crops": crops}, settings)
        tracks = {"flow": flow} if method == "tsal" else {}
        return {"crops": crops, "warmup": warmup} | tracks, settings

    return of


@pytest.fixture(scope="module")
def whole(start, two_processes, tmp_path_factory):
    """A function of a method: its run by one process, by one from weights that are nudged, and by each of two."""
    folder, found = tmp_path_factory.mktemp("whole"), {}

    def of(method):
        if method not in found:
            inputs = start(method)
            alone = together.trains(folder / f"{method}_alone", *inputs)
            nudged = [together.trains(folder / f"{method}_nudged{seed}", *inputs, nudge=seed) for seed in NUDGES]
            both = two_processes.run(together.trains, folder / f"{method}_both", *inputs)
            found[method] = alone, nudged, both, folder / f"{method}_both"
        return found[method]

    return of


def distance(one, other):
    """The Euclidean distance of all tensors of two runs; what is infinite in both is the same."""
    pairs = [(value.double(), other[name].double()) for name, value in one.items()]
    return float(sum((a - b).nan_to_num().square().sum() for a, b in pairs).sqrt())


def apart(one, other):
    """The largest difference of two runs in the loss of a step; and the distance of what they hold in the end."""
    steps = sorted(set(one["losses"]) & set(other["losses"]))
    losses = max(abs(one["losses"][step] - other["losses"][step]) for step in steps)
    return losses, distance(one["tensors"], other["tensors"])


def check_alike(one, other, alone, nudged):
    """That two runs are as near as the order of sums allows, and that this is near."""
    losses, tensors = apart(one, other)
    spread_of_losses, spread_of_tensors = map(max, zip(*(apart(alone, one) for one in nudged), strict=True))
    loss = max(alone["losses"].values())
    allowed = STEPS * max(spread_of_losses, torch.finfo(torch.float32).eps * loss)
    assert losses <= allowed < 1e-5 * loss
    allowed = STEPS * spread_of_tensors
    assert tensors <= allowed < 0.1 * distance(alone["started"], alone["tensors"])


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_as_one_does(whole, method):
    """Losses of all steps, weights, batch statistics, the teacher's averages, the memory of targets."""
    alone, nudged, both, _ = whole(method)
    assert list(both[0]["losses"]) == list(range(WARMUP, WARMUP + STEPS))
    check_alike(both[0], alone, alone, nudged)


@pytest.mark.parametrize("method", METHODS)
def test_both_hold_the_same_to_the_last_bit(whole, method):
    _, _, (first, second), _ = whole(method)
    assert first["losses"] == second["losses"]
    assert [row["iteration"] for row in first["log"]] == [WARMUP + STEPS]
    measured = [{key: value for key, value in one["log"][-1].items() if key != "seconds"} for one in (first, second)]
    assert measured[0] == measured[1] and any(key.startswith("val_nme") for key in measured[0])
    assert all(torch.equal(value, second["tensors"][name]) for name, value in first["tensors"].items())


def test_the_first_writes_for_both(whole):
    *_, folder = whole("tsal")
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.safetensors", "log.csv", "machine.yaml"]
    assert [part["processes"] for part in yaml.safe_load((folder / "machine.yaml").read_text())] == [2]


def test_a_warm_up_of_two_is_a_start_for_one(start, two_processes, tmp_path):
    inputs, settings = start("supervised")
    two_processes.run(together.trains, tmp_path, {"crops": inputs["crops"]}, settings)
    warmup = inputs | {"warmup": tmp_path / "checkpoint.safetensors"}
    assert list(together.trains(tmp_path / "on", warmup, settings)["losses"]) == list(range(WARMUP, WARMUP + STEPS))


@pytest.mark.parametrize("before, after", [(2, 1), (1, 2), (2, 2)])
def test_a_run_goes_on_by_any_number_of_processes(start, whole, two_processes, tmp_path, before, after):
    alone, nudged, both, _ = whole("tsal")

    def trains(processes, **how):
        if processes == 1:
            return together.trains(tmp_path, *start("tsal"), **how)
        return two_processes.run(together.trains, tmp_path, *start("tsal"), **how)[0]

    assert max(trains(before, end_in=KILLED)["losses"]) == KILLED - 1
    resumed = trains(after)
    assert min(resumed["losses"]) == KILLED  # from the state of the step before
    if before == after:
        assert apart(resumed, both[0]) == (0, 0)
    else:
        check_alike(resumed, alone, alone, nudged)


def test_a_signal_to_one_ends_both_after_the_same_step_with_a_state(start, two_processes, tmp_path):
    both = two_processes.run(together.trains, tmp_path, *start("supervised"), asked_in=(1, KILLED))
    assert [max(one["losses"]) for one in both] == [KILLED, KILLED]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors.partial"]
    resumed = together.trains(tmp_path, *start("supervised"))
    assert min(resumed["losses"]) == KILLED + 1
