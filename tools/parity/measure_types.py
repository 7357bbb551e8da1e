"""Measures what each output type of `rap convert` costs on real weights.

    python tools/parity/measure_types.py RAP CHECKPOINT PICTURES     # PICTURES: a folder with one folder a thing

For each type: the size, the smallest and mean cosine between its features and those of f32, and how often the
nearest other picture shows the same thing.
"""
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np


def features(rap, folder, pictures):
    out = []
    for picture in pictures:
        done = subprocess.run([rap, "--profile", folder, "embed", "--image", picture, "--json"], check=True,
                              capture_output=True, text=True, env={**os.environ, "RAP_PRECISION": "f32"})
        feature = np.array(json.loads(done.stdout)["feature"])
        out.append(feature / np.linalg.norm(feature))
    return np.stack(out)


def main():
    rap, checkpoint, root = sys.argv[1:4]
    pictures = sorted(p for p in glob.glob(f"{root}/*/*") if p.lower().endswith((".jpg", ".jpeg", ".png")))
    things = np.array([os.path.dirname(p) for p in pictures])
    exact = None
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/profile.json", "w") as f:
            json.dump({"name": "types", "files": {"encoder": {"path": "encoder.gguf"}}}, f)
        for kind in ("f32", "f16", "bf16", "q8_0"):
            subprocess.run([rap, "convert", checkpoint, f"{folder}/encoder.gguf", "--type", kind, "--quiet"], check=True)
            found = features(rap, folder, pictures)
            exact = found if exact is None else exact
            cosines = (found * exact).sum(1)
            near = found @ found.T - 9 * np.eye(len(found))
            right = (things[near.argmax(1)] == things).mean()
            print(f"{kind:5} {os.path.getsize(f'{folder}/encoder.gguf') / 2**20:6.1f} MiB  cosine min {cosines.min():.6f}"
                  f" mean {cosines.mean():.6f}  nearest is right {right:.4f} of {len(pictures)}", flush=True)


if __name__ == "__main__":
    main()
