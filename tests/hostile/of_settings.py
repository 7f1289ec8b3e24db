"""Settings and configurations: bombs of aliases, nesting, tags that run code, numbers that are none."""

import json

from hostile.cases import CANARY, case, put

TRAIN = ["--crops", "crops", "--seed", "0", "--device", "cpu", "--log", "log.csv", "-o", "warmup.safetensors"]


def warm_up(folder, text: str | bytes) -> list[str]:
    put(folder, "settings.yaml", text)
    return ["warmup", "--settings", "settings.yaml", *TRAIN]


def aliases(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


@case("configurations", "settings whose aliases come to 10^12 values", "settings.yaml", alone=True)
def _(folder):
    return warm_up(folder, aliases(12))


@case("configurations", "settings that merge 10^12 keys", "settings.yaml")
def _(folder):
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    return warm_up(folder, "\n".join(lines))


@case("configurations", "settings that hold themselves", "settings.yaml")
def _(folder):
    return warm_up(folder, "a: &a [*a]\n")


@case("configurations", "settings nested 100,000 deep", "settings.yaml")
def _(folder):
    return warm_up(folder, "[" * 100_000)


@case("configurations", "settings that run a command by a tag of Python", "settings.yaml")
def _(folder):
    return warm_up(folder, f"algorithm: !!python/object/apply:os.system ['touch {CANARY}']\n")


@case("configurations", "settings with a number of 5,000 digits", "settings.yaml")
def _(folder):
    return warm_up(folder, f"algorithm: {'9' * 5000}\n")


@case("configurations", "settings with a day that is none", "settings.yaml")
def _(folder):
    return warm_up(folder, "algorithm: 2024-13-45\n")


@case("configurations", "settings of 30 MB", "settings.yaml")
def _(folder):
    return warm_up(folder, "a: 1\n" * 6_000_000)


@case("configurations", "settings that are no text", "settings.yaml")
def _(folder):
    return warm_up(folder, b"\xff\xfe\x00\x00")


@case("configurations", "options of an index that are aliases", "index.yaml")
def _(folder):
    put(folder, "index.yaml", aliases(12))
    raw = ["--raw-dir", "raw", "--images", "images", "--settings", "index.yaml"]
    return ["index", "ytf", *raw, "-o", "faces.parquet"]


@case("configurations", "settings of a trillion people to render", "index.yaml")
def _(folder):
    settings = {"people": 10**12, "stills": 10**12, "clips": 10, "clip_frames": 8, "image_px": 128}
    put(folder, "index.yaml", json.dumps({"settings": settings | {"challenging": 0.3, "seed": 0}}))
    return ["render", "synth", "--settings", "index.yaml", "--shard", "0", "--shards", "1", "-o", "0of1.zip"]


@case("configurations", "a plan that is nested 100,000 deep", "standard input", stdin="[" * 100_000)
def _(folder):
    return ["estimate"]


@case("configurations", "tables of the docs whose aliases come to 10^12 values", "tables.yaml")
def _(folder):
    put(folder, "tables.yaml", aliases(12))
    put(folder, "page.md", "")
    return ["docs", "page.md", "--tables", "tables.yaml"]


@case("configurations", "settings of JSON nested 10,000 deep", "--json")
def _(folder):
    return ["settings", "--json", "[" * 10_000, "-o", "settings.yaml"]
