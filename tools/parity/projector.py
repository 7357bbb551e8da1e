#!/usr/bin/env python3
"""projector.py: the projector's rows and gradients against PyTorch's, in f64.

    pip install torch
    python tools/parity/projector.py --build build

Ends with 1 if a comparison fails."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import torch
from torch import nn


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    build = parser.parse_args().build
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(build, "tests/test_projecting"), folder], check=True)
        with open(os.path.join(folder, "projector.json")) as f:
            b = json.load(f)
    tensor = lambda name: torch.tensor(b[name], dtype=torch.float64)
    model = nn.Sequential(nn.Linear(b["in"], b["inner"]), nn.GELU(), nn.Linear(b["inner"], b["out"])).double()
    order = [model[0].weight, model[0].bias, model[2].weight, model[2].bias]
    at, param = 0, tensor("param")
    for p in order:
        p.data.copy_(param[at:at + p.numel()].view(p.shape))
        at += p.numel()
    out = model(tensor("features").view(-1, b["in"]))
    out.backward(tensor("dout").view(out.shape))
    theirs = torch.cat([p.grad.flatten() for p in order])
    found = {"rows": (tensor("result") - out.flatten()).abs().max() / out.abs().max(),
             "gradients": (tensor("grad") - theirs).abs().max() / theirs.abs().max()}
    print("worst relative differences to PyTorch: " + "  ".join(f"{k} {v:.1e}" for k, v in found.items()))
    sys.exit(0 if all(v < 1e-12 for v in found.values()) else 1)


if __name__ == "__main__":
    main()
