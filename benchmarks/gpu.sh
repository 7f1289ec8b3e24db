#!/usr/bin/env bash
# What a GPU does with this code, in at most 8 minutes: tests, speed, and a training that has to learn.
#
#   python benchmarks/pack.py RAW_DIR -o data/gpu    # where the raw archives of 300W lie: packs under 60 MB
#   bash benchmarks/gpu.sh data/gpu                  # where the GPU is, from a clone or a copy of it
#   bash benchmarks/gpu.sh data/gpu --small          # on a CPU, only to see that all of it works
#
# Nothing is installed and nothing downloaded. PYTHON names the Python to use (default python3); packages that it lacks
# may lie in data/gpu/site, see benchmarks/pack.py. Each part has a limit of seconds, and says at once what it found. The
# exit code is the number of parts that failed.
set -u -o pipefail

data=$(cd "${1:?expected the folder that benchmarks/pack.py made}" && pwd) || exit 2
small=${2:-}
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONPATH="$root:$data/site" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
scale=1 failed=0

part() {  # SECONDS TITLE COMMAND...: for that long at most, and no longer than the whole may take
    local limit=$((scale * $1)) title=$2 code=0 left=$((scale * 470 - SECONDS))
    shift 2
    ((limit > left)) && limit=$left
    printf '\n=== %s (%s s so far, at most %s s)\n' "$title" "$SECONDS" "$limit"
    if ((limit < 5)); then
        code=124
    else
        timeout --kill-after=5 "$limit" "$@" || code=$?
    fi
    if ((code)); then
        failed=$((failed + 1))
        echo "--- FAILED: $title ($([[ $code == 124 || $code == 137 ]] && echo "out of time" || echo "exit code $code"))"
    fi
    return $code
}

# With --small: sizes at which a CPU takes seconds, and longer limits, since others may be using it too.
device=cuda detectors=(compact vgg16_cpm) speed=(--limit 10) tests=(-k "cuda") edit=""
if [[ $small == --small ]]; then
    device=cpu scale=10 detectors=(compact) speed=(--limit 1 --input-px 32 --batch 2 --clips 1 --threads 1)
    tests=(-m "not slow" tests/data/test_device.py)
    edit="detector.input_px=64 training.batch=4 training.warmup_steps=3 training.evaluate_every=3"
elif [[ -n $small ]]; then
    echo "gpu.sh: found $small, expected nothing or --small" >&2
    exit 2
fi

part 40 "the machine" "$python" - "$device" <<'PYTHON' || exit 1
import sys
try:
    import torch

    import tsal.cli.study, tsal.detectors.predict, tsal.training.train
    from tsal.training.machine import choose_device, describe
    device = choose_device(sys.argv[1])
except ModuleNotFoundError as error:
    sys.exit(f"{error}; expected it in this Python, or unpacked by benchmarks/pack.py --wheels")
except Exception as error:
    sys.exit(str(error))
for name, value in describe(device, "auto").items():
    print(f"{name}: {value}")
if device.type == "cuda":
    about = torch.cuda.get_device_properties(device)
    print(f"memory: {about.total_memory / 2**30:.0f} GiB, compute capability {about.major}.{about.minor}")
PYTHON

cd "$root" || exit 2
part 150 "tests: train, resume, equality with the CPU, determinism, no waiting" \
    "$python" -m pytest -q -p no:cacheprovider --durations=5 \
    tests/training/test_cuda.py tests/methods/test_queued_steps.py "${tests[@]}"

for detector in "${detectors[@]}"; do
    for precision in float32 bfloat16; do
        part 45 "speed: $detector, $precision" "$python" benchmarks/training.py \
            --device "$device" --detector "$detector" --precision "$precision" "${speed[@]}"
    done
done

cd "$data" || exit 2
part 15 "settings of the training" "$python" - "$work" $edit <<'PYTHON'
import sys
from pathlib import Path

import yaml

from tsal.settings.models import DetectorSettings

settings = yaml.safe_load(Path("settings.yaml").read_text())
for edit in sys.argv[2:]:
    key, value = edit.split("=")
    section, key = key.split(".")
    settings[section][key] = int(value)
Path(sys.argv[1], "settings.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
detector = DetectorSettings(**settings["detector"])
geometry = f"--input-px {detector.input_px} --expand {detector.expand} --margin {detector.margin}\n"
Path(sys.argv[1], "geometry").write_text(geometry)
print(yaml.safe_dump(settings, sort_keys=False))
PYTHON
read -ra geometry <"$work/geometry"
for split in train validation; do
    part 20 "crops: $split" "$python" -m tsal.cli crop faces.parquet --split "$split" "${geometry[@]}" \
        -o "$work/crops/$split.json"
done
part 150 "training: vgg16_cpm by the preset paper, labels only, on a part of 300W" "$python" -m tsal.cli warmup \
    --settings "$work/settings.yaml" --crops "$work/crops" --seed 0 --device "$device" \
    -o "$work/checkpoint.safetensors" --log "$work/log.csv"
part 15 "what it learned" "$python" - "$work/log.csv" "$small" <<'PYTHON'
import sys

import pandas as pd

log = pd.read_csv(sys.argv[1])
print(log.dropna(subset=["val_nme_raw"]).to_string(index=False))
first, last = log.iloc[0], log.dropna(subset=["val_nme_raw"]).iloc[-1]
end = log["loss"].tail(5).mean()
learns = end < 0.9 * first["loss"]
said = "too short to learn" if sys.argv[2] else "it learns" if learns else "IT DOES NOT LEARN"
print(f"loss {first['loss']:.4g} at step {first['iteration']:.0f}, {end:.4g} in the last 50 steps; "
      f"NME on validation {last['val_nme_raw']:.2f} %: {said}")
sys.exit(0 if learns or sys.argv[2] else 1)
PYTHON

printf '\n=== done in %s s, %s parts failed\n' "$SECONDS" "$failed"
exit "$failed"
