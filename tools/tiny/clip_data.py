"""Pictures for CLIP training, rendered once and cached.

They come in blocks of 64 instances (8 kinds with 8 looks each, so that every batch holds hard
negatives) and 64 scenes of those instances. Sample i of a block holds scene i at 128 px, up to four
detector-like crops out of it, and two avatars of instance i.
"""
import functools

import numpy as np
from PIL import Image

import world
from clip_model import SIZE, preprocess

BLOCK, KINDS_PER_BLOCK, MAX_OBJECTS = 64, 8, 4


@functools.lru_cache(maxsize=8)
def block_instances(seed, block, test):
    """The 64 instances of a block, all different."""
    rng = np.random.default_rng((seed, block, int(test)))
    if test:
        return world.test_instances(BLOCK, seed=seed * 1000 + block)
    kinds = [world.SEEN_KINDS[i] for i in rng.choice(len(world.SEEN_KINDS), KINDS_PER_BLOCK, False)]
    out, keys = [], set()
    while len(out) < BLOCK:
        inst = world.random_instance(rng, kinds[len(out) % KINDS_PER_BLOCK:][:1])
        if not inst.is_reserved() and inst.key() not in keys:
            keys.add(inst.key())
            out.append(inst)
    return out


def shrink(image, rng):
    """A whole scene to SIZE px, sometimes without smoothing, as other runtimes do it."""
    im = Image.fromarray(image)
    if rng.random() < 0.3:
        k = im.width / SIZE
        return np.asarray(im.transform((SIZE, SIZE), Image.Transform.AFFINE, (k, 0, 0, 0, k, 0),
                                       Image.Resampling.BILINEAR))
    return preprocess(im)


def detector_crop(image, box, rng):
    """Cut a box out as a detector would: edges a bit off, sometimes widened to a square."""
    h, w = image.shape[:2]
    x0, y0, x1, y1 = box
    bw, bh = x1 - x0, y1 - y0
    off = rng.uniform(-0.04, 0.09, 4) * (bw, bh, bw, bh)
    x0, y0, x1, y1 = x0 - off[0], y0 - off[1], x1 + off[2], y1 + off[3]
    if rng.random() < 0.3:
        side, cx, cy = max(x1 - x0, y1 - y0) / 2, (x0 + x1) / 2, (y0 + y1) / 2
        x0, y0, x1, y1 = cx - side, cy - side, cx + side, cy + side
    cut = (max(0, int(x0)), max(0, int(y0)), min(w, int(np.ceil(x1))), min(h, int(np.ceil(y1))))
    return preprocess(Image.fromarray(image[cut[1]:cut[3], cut[0]:cut[2]]))


def make_sample(seed, test, rng, index):
    """One cached sample; see the top of the file."""
    block, slot = divmod(index, BLOCK)
    instances = block_instances(seed, block, test)
    count = int(rng.choice(4, p=(0.15, 0.3, 0.35, 0.2))) + 1
    order = [slot] + [int(s) for s in rng.permutation(BLOCK) if s != slot]
    if count > 1 and rng.random() < 0.5:      # a second look of the same kind in the same picture
        same = [s for s in order[1:] if instances[s].kind == instances[slot].kind]
        if same:
            order = [slot, same[0]] + [s for s in order[1:] if s != same[0]]
    slots = order[:count]
    scene = world.random_scene(rng, [instances[s] for s in slots])
    crops = np.zeros((MAX_OBJECTS, SIZE, SIZE, 3), np.uint8)
    found = {o.inst.key(): o for o in scene.objects}
    objects = []
    for s in slots:
        seen = found.get(instances[s].key())
        if seen:
            crops[len(objects)] = detector_crop(scene.image, seen.box, rng)
            objects.append([s, [v * SIZE / scene.image.shape[0] for v in seen.box]])
    views = np.stack([preprocess(Image.fromarray(world.avatar(rng, instances[slot]))) for _ in range(2)])
    meta = {"objects": objects, "inst": instances[slot].attrs, "place": scene.place}
    return {"scene": shrink(scene.image, rng), "crops": crops, "avatars": views, "meta": meta}


def load(name, blocks, seed, test=False, procs=4):
    """The cached arrays and metas of ``blocks`` blocks."""
    maker = functools.partial(make_sample, seed, test)
    return world.prerender(name, maker, blocks * BLOCK, seed=seed, procs=procs, chunk=BLOCK)


if __name__ == "__main__":
    load("clip-test", 8, seed=77, test=True)
    load("clip-train", 200, seed=7)
