"""Muon: momentum with orthogonalised updates for the matrices inside transformer blocks.

It needs about half as many steps as Adam here, which counts on a small machine.
"""
import torch
import torch.distributed as dist


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
            params = [p for p in group["params"] if p.grad is not None]
            turns = [self._direction(p, group["momentum"], i) for i, p in enumerate(params)]
            flat = torch.cat([t.reshape(-1) for t in turns])
            if dist.is_initialized():
                dist.all_reduce(flat)
            at = 0
            for p in params:
                gain = 1.0 if p.shape[0] == 3 * p.shape[1] else max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                p.mul_(1 - group["lr"] * group["decay"])
                p.add_(flat[at:at + p.numel()].view_as(p), alpha=-group["lr"] * gain)
                at += p.numel()

    def _direction(self, p, momentum, index):
        """The update's direction, or zeros where another process computes it."""
        buf = self.state[p].setdefault("momentum", torch.zeros_like(p))
        buf.lerp_(p.grad, 1 - momentum)
        if dist.is_initialized() and (index // 2) % dist.get_world_size() != dist.get_rank():
            return torch.zeros_like(p)
        g = p.grad.lerp(buf, momentum)
        parts = g.view(3, -1, g.shape[1]) if g.shape[0] == 3 * g.shape[1] else g[None]
        return _orthogonal(parts)
