"""Muon: momentum with orthogonalised updates for the matrices inside transformer blocks.

It needs about half as many steps as Adam here, which counts on a small machine.
"""
import torch


def _orthogonal(g, steps=5):
    """Newton-Schulz iteration towards the nearest orthogonal matrix; g is [..., M, N]."""
    a, b, c = 3.4445, -4.7750, 2.0315
    flip = g.shape[-2] > g.shape[-1]
    x = g.mT if flip else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return x.mT if flip else x


class Muon(torch.optim.Optimizer):
    """For 2-D weights; fused qkv matrices (3 W x W) are handled as three."""

    def __init__(self, params, lr=0.02, momentum=0.95, decay=0.01):
        super().__init__(params, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                buf = state.setdefault("momentum", torch.zeros_like(p))
                buf.lerp_(p.grad, 1 - group["momentum"])
                g = p.grad.lerp(buf, group["momentum"])
                parts = g.view(3, -1, g.shape[1]) if g.shape[0] == 3 * g.shape[1] else g[None]
                gain = max(1.0, parts.shape[-2] / parts.shape[-1]) ** 0.5
                p.mul_(1 - group["lr"] * group["decay"])
                p.add_(_orthogonal(parts).reshape(p.shape), alpha=-group["lr"] * gain)
