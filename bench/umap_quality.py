"""Compares the embeddings of honeyguide and umap-learn by trustworthiness and pictures, for docs/umap.md.

usage: umap_quality.py --ours BENCH_UMAP --data DIR --out docs/umap [--seeds 3]

BENCH_UMAP is the program that `cargo build --release -p honeyguide-learn --example bench_umap` builds. DIR holds the files
that bench/data.py writes. scikit-learn computes trustworthiness for 15 neighbours on 5,000 of 25,000 rows, both for the
fitted and for the new rows. The script prints a Markdown table. It needs matplotlib in addition to
bench/requirements.txt.
"""

import argparse
import subprocess
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import matplotlib  # noqa: E402

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.manifold import trustworthiness  # noqa: E402

import data  # noqa: E402

# The neighbours of trustworthiness, and the number of rows for which it is computed.
NEIGHBORS, JUDGED = 15, 5_000
SETS = {"beth_sample": 7, "mixture": 10}


def ours(program, files, features, seed):
    """Returns honeyguide's coordinates of the fitted rows and of the new rows."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coordinates.f32"
        placed = []
        for work in ("fit", "transform"):
            options = ["--features", features, "--seed", seed, "--out", out]
            command = [program, work, "--file", files[0], "--new", files[1], *options]
            subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
            placed.append(np.fromfile(out, dtype="<f4").reshape(-1, 2))
    return placed


def umap_learn(rows, new, seed):
    """Returns umap-learn's coordinates of the fitted rows and of the new rows."""
    import umap

    model = umap.UMAP(random_state=seed).fit(rows)
    return [model.embedding_, model.transform(new)]


def colours(name, rows):
    """Returns a number per row: the number of the event for BETH-like rows, or of the nearest centre for a mixture."""
    if name == "beth_sample":
        return np.unique(rows[:, 4], return_inverse=True)[1]
    centres = 4 * np.random.default_rng(3).standard_normal((data.GROUPS, data.MIXTURE_FEATURES))
    return ((rows[:, None] - centres) ** 2).sum(2).argmin(1)


def picture(file, embedding, colour, title):
    """Writes a scatter plot of an embedding."""
    figure, axes = plt.subplots(figsize=(4, 4), dpi=100, layout="constrained")
    axes.scatter(*embedding.T, c=colour, s=1.5, cmap="tab20", linewidths=0)
    axes.set_title(title, fontsize=9)
    axes.set_aspect("equal", adjustable="datalim")
    axes.tick_params(labelsize=7)
    figure.savefig(file, pil_kwargs={"optimize": True})
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    print("| rows | by | seed | fitted rows | new rows |\n|---|---|--:|--:|--:|")
    for name, features in SETS.items():
        files = [options.data / f"{name}.f64", options.data / f"{name}_new.f64"]
        rows, new = [np.fromfile(file, dtype="<f8").reshape(-1, features).astype(np.float32) for file in files]
        judged = np.random.default_rng(0).permutation(len(rows))[:JUDGED]
        colour = colours(name, rows)
        for by, embed in (
            ("honeyguide", lambda seed: ours(options.ours.resolve(), files, features, seed)),
            ("umap-learn", lambda seed: umap_learn(rows, new, seed)),
        ):
            for seed in range(options.seeds):
                placed = embed(seed)
                figures = [
                    trustworthiness(given[judged], at[judged], n_neighbors=NEIGHBORS)
                    for given, at in zip((rows, new), placed)
                ]
                print(f"| {name} | {by} | {seed} | {figures[0]:.4f} | {figures[1]:.4f} |", flush=True)
                if seed == 0:
                    picture(options.out / f"{name}_{by}.png", placed[0], colour, f"{name}, {by}")


if __name__ == "__main__":
    main()
