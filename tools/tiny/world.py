"""The toy world: instances of things, their pictures, and scenes with known boxes.

Reading order: Instance (what a concept is), the sprite section (how it looks), avatar (the picture
a user gives), places.py (backgrounds), random_scene (photos of several things), the split helpers
(train and test instances never meet), prerender (many scenes, many processes, cached on disk).
All randomness comes from the ``numpy.random.Generator`` passed in.
"""
import functools
import json
import multiprocessing
import os
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lexicon import (ACCESSORIES, COLORS, GROUPS, KIND_BY_NAME, KINDS, PATTERNS, PLACES, SEEN_KINDS,
                     UNSEEN_KINDS, Kind, _hash, article)
from places import draw_place

__all__ = ["ACCESSORIES", "COLORS", "GROUPS", "KINDS", "KIND_BY_NAME", "PATTERNS", "PLACES", "Kind",
           "Instance", "Scene", "SceneObject", "article", "avatar", "prerender", "random_instance",
           "random_scene", "render_sprite", "test_instances", "train_instances", "work_dir"]

BASE = 192         # side of a thing's body in its sprite, before accessories
MARGIN = 44        # room around the body for hats and scarves
CANVAS = BASE + 2 * MARGIN


def work_dir(*parts):
    """A path below the work folder ($RAP_TINY_WORK or build/tiny), created if need be."""
    root = os.environ.get("RAP_TINY_WORK") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "tiny")
    path = os.path.normpath(os.path.join(root, *parts))
    os.makedirs(os.path.dirname(path) if os.path.splitext(path)[1] else path, exist_ok=True)
    return path


def emoji_dir():
    """Where fetch_emoji.sh put the pictures."""
    return os.environ.get("RAP_EMOJI_DIR") or work_dir("emoji", "package", "assets")


# ---------------------------------------------------------------- instances

@dataclass(frozen=True)
class Instance:
    """One particular thing: a kind with its own colour, pattern and accessory."""
    kind: Kind
    color: str
    pattern: str = "none"
    pattern_color: str = ""
    accessory: str = "none"
    accessory_color: str = ""

    @property
    def category(self):
        return self.kind.name

    @property
    def attrs(self):
        return {"kind": self.kind.name, "group": self.kind.group, "color": self.color,
                "pattern": self.pattern, "pattern_color": self.pattern_color,
                "accessory": self.accessory, "accessory_color": self.accessory_color}

    def describe(self):
        """"a grey dog with red stripes and a blue scarf"."""
        parts = []
        if self.pattern != "none":
            parts.append(f"{self.pattern_color} {self.pattern}")
        if self.accessory == "glasses":
            parts.append(f"{self.accessory_color} glasses")
        elif self.accessory != "none":
            parts.append(article(f"{self.accessory_color} {self.accessory}"))
        text = article(f"{self.color} {self.kind.name}")
        return text + (" with " + " and ".join(parts) if parts else "")

    def key(self):
        return "|".join((self.kind.name, self.color, self.pattern, self.pattern_color,
                         self.accessory, self.accessory_color))

    def is_reserved(self):
        """True for looks kept for tests: a hash of the attributes, so no seed can leak them."""
        return not self.kind.seen or _hash(self.key()) % 5 == 0

    def distance(self, other):
        """How many attributes differ; another kind counts as many."""
        if self.kind.name != other.kind.name:
            return 5
        return ((self.color != other.color)
                + (self.pattern != other.pattern or self.pattern_color != other.pattern_color)
                + (self.accessory != other.accessory
                   or self.accessory_color != other.accessory_color))


def instance_from_attrs(attrs):
    """The inverse of Instance.attrs (which is what metadata files hold)."""
    return Instance(KIND_BY_NAME[attrs["kind"]], attrs["color"], attrs["pattern"],
                    attrs["pattern_color"], attrs["accessory"], attrs["accessory_color"])


# Pairs that light changes blur; a pattern or accessory never uses the partner of the body's colour.
_CLOSE = {frozenset(p) for p in (("red", "orange"), ("orange", "yellow"), ("red", "brown"),
                                 ("orange", "brown"), ("grey", "white"), ("grey", "black"),
                                 ("blue", "purple"), ("blue", "cyan"), ("pink", "purple"),
                                 ("red", "pink"), ("brown", "black"), ("purple", "black"),
                                 ("green", "cyan"), ("pink", "white"), ("brown", "grey"))}


def _contrast_color(rng, body):
    names = [c for c in COLORS if c != body and frozenset((c, body)) not in _CLOSE]
    return names[rng.integers(len(names))]


def random_instance(rng, kinds=KINDS):
    """A random look of a random kind out of ``kinds``."""
    kind = kinds[rng.integers(len(kinds))]
    color = list(COLORS)[rng.integers(len(COLORS))]
    pattern = PATTERNS[rng.integers(1, len(PATTERNS))] if rng.random() < 0.7 else "none"
    accessory = ACCESSORIES[rng.integers(1, len(ACCESSORIES))] if rng.random() < 0.6 else "none"
    return Instance(kind, color, pattern, _contrast_color(rng, color) if pattern != "none" else "",
                    accessory, _contrast_color(rng, color) if accessory != "none" else "")


# ---------------------------------------------------------------- sprites

@functools.lru_cache(maxsize=None)
def _base_sprite(code):
    """The emoji fitted into BASE x BASE: premultiplied-safe RGB [B,B,3] and alpha [B,B], floats."""
    for name in (code + ".webp", code + "-fe0f.webp"):
        path = os.path.join(emoji_dir(), name)
        if os.path.exists(path):
            break
    im = Image.open(path).convert("RGBA")
    im = im.crop(im.getchannel("A").point(lambda a: 255 if a > 24 else 0).getbbox())
    scale = BASE / max(im.size)
    size = (max(1, round(im.width * scale)), max(1, round(im.height * scale)))
    im = im.resize(size, Image.Resampling.BICUBIC)
    body = Image.new("RGBA", (BASE, BASE))
    body.paste(im, ((BASE - size[0]) // 2, (BASE - size[1]) // 2))
    px = np.asarray(body, np.float32) / 255
    rgb, alpha = px[..., :3].copy(), px[..., 3].copy()
    lum = rgb @ np.array([0.35, 0.5, 0.15], np.float32)
    solid = lum[alpha > 0.5]
    low, mid, high = np.percentile(solid, [3, 50, 97])
    low, high = min(low, mid - 0.12), max(high, mid + 0.12)
    shade = np.where(lum < mid, 0.5 * (lum - low) / (mid - low),
                     0.5 + 0.5 * (lum - mid) / (high - mid)).clip(0, 1)
    return rgb, alpha, shade.astype(np.float32)


def _tint(color, shade):
    """Paint with one colour, keeping light and dark: shade 0.5 is the colour itself."""
    c = np.array(COLORS[color], np.float32) / 255
    dark, light = c * 0.34, c + (1 - c) * (0.55 if color != "black" else 0.32)
    if color == "white":
        dark = np.array([0.56, 0.57, 0.62], np.float32)
    s = shade[..., None]
    return np.where(s < 0.5, dark + (c - dark) * (2 * s), c + (light - c) * (2 * s - 1))


@functools.lru_cache(maxsize=None)
def _pattern_mask(pattern):
    """Soft mask [BASE, BASE] in 0..1 of a pattern's figure."""
    y, x = np.mgrid[0:BASE, 0:BASE].astype(np.float32)
    step = BASE / 4.5
    if pattern == "stripes":
        wave = np.sin((x + y) * (2 * np.pi / (step * 1.3)))
        return (wave * 8 + 0.5).clip(0, 1)
    if pattern == "checks":
        wave = np.sin(x * (np.pi / step * 1.15)) * np.sin(y * (np.pi / step * 1.15))
        return (wave * 14 + 0.5).clip(0, 1)
    mask = Image.new("L", (BASE * 2, BASE * 2))
    pen = ImageDraw.Draw(mask)
    for row in range(-1, 7):
        for col in range(-1, 7):
            cx = (col + (0.5 if row % 2 else 0)) * step * 2
            cy = row * step * 0.88 * 2
            if pattern == "dots":
                r = step * 0.54
                pen.ellipse((cx - r, cy - r, cx + r, cy + r), fill=255)
            else:
                pen.polygon(_star(cx, cy, step * 0.86, 5, 0.42), fill=255)
    return np.asarray(mask.resize((BASE, BASE), Image.Resampling.BOX), np.float32) / 255


def _star(cx, cy, radius, points, inner):
    """Corner list of a star standing on two of its points."""
    out = []
    for i in range(points * 2):
        r = radius if i % 2 == 0 else radius * inner
        a = np.pi * i / points - np.pi / 2
        out.append((cx + r * np.cos(a), cy + r * np.sin(a)))
    return out


def _recolor(inst):
    """The body with its own colour and pattern: RGB [B,B,3] and alpha [B,B]."""
    rgb, alpha, shade = _base_sprite(inst.kind.code)
    out = _tint(inst.color, shade)
    if inst.pattern != "none":
        m = _pattern_mask(inst.pattern)[..., None]
        out = out * (1 - m) + _tint(inst.pattern_color, 0.2 + 0.6 * shade) * m
    gray = rgb.mean(axis=2, keepdims=True)
    keep = np.where(shade < 0.12, 0.55, 0.0)[..., None]      # eyes, wheels, outlines stay dark
    out = out * (1 - keep) + np.minimum(gray, 0.25) * keep
    return out + 0.10 * (rgb - gray), alpha


@functools.lru_cache(maxsize=None)
def _anchors(code):
    """Where accessories sit, in canvas px: top (x, y), body box, mass centre."""
    _, alpha, _ = _base_sprite(code)
    ys, xs = np.nonzero(alpha > 0.5)
    box = (xs.min() + MARGIN, ys.min() + MARGIN, xs.max() + MARGIN, ys.max() + MARGIN)
    band = ys < ys.min() + 0.12 * (ys.max() - ys.min() + 1)
    top = (float(np.median(xs[band])) + MARGIN, box[1])
    return top, box, (float(xs.mean()) + MARGIN, float(ys.mean()) + MARGIN)


def _shades(color):
    c = np.array(COLORS[color], np.float32)
    edge = c * 0.45 if color != "black" else c + 55
    light = c + (255 - c) * 0.4
    return tuple(int(v) for v in c), tuple(int(v) for v in edge), tuple(int(v) for v in light)


def _draw_hat(pen, color, spot):
    (x, y), _, _ = spot
    c, e, l = _shades(color)
    y += 14
    pen.rectangle((x - 30, y - 52, x + 30, y), fill=c, outline=e, width=3)
    pen.rectangle((x - 30, y - 18, x + 30, y - 8), fill=l)
    pen.ellipse((x - 54, y - 11, x + 54, y + 11), fill=c, outline=e, width=3)


def _draw_crown(pen, color, spot):
    (x, y), _, _ = spot
    c, e, l = _shades(color)
    y += 14
    pts = [(x - 44, y), (x - 50, y - 46), (x - 24, y - 24), (x, y - 56), (x + 24, y - 24),
           (x + 50, y - 46), (x + 44, y)]
    pen.polygon(pts, fill=c, outline=e, width=3)
    for dx, dy in ((-50, -46), (0, -56), (50, -46)):
        pen.ellipse((x + dx - 7, y + dy - 7, x + dx + 7, y + dy + 7), fill=l, outline=e, width=2)


def _draw_scarf(pen, color, spot):
    _, (x0, y0, x1, y1), (cx, _) = spot
    c, e, l = _shades(color)
    y = y0 + 0.72 * (y1 - y0)
    half = max(58.0, 0.46 * (x1 - x0))
    pen.rounded_rectangle((cx - half, y - 17, cx + half, y + 17), 15, fill=c, outline=e, width=3)
    pen.polygon([(cx + half * 0.35, y + 8), (cx + half * 0.35 + 38, y + 6),
                 (cx + half * 0.35 + 46, y + 66), (cx + half * 0.35 + 8, y + 68)],
                fill=c, outline=e, width=3)
    for k in range(-2, 3):
        pen.line((cx + k * half * 0.36, y - 14, cx + k * half * 0.36, y + 14), fill=l, width=7)


def _draw_bow(pen, color, spot):
    (x, y), (_, _, x1, _), _ = spot
    c, e, l = _shades(color)
    x, y = min(x + 34, x1 - 10), y + 10
    pen.polygon([(x, y), (x - 50, y - 32), (x - 50, y + 30)], fill=c, outline=e, width=3)
    pen.polygon([(x, y), (x + 50, y - 32), (x + 50, y + 30)], fill=c, outline=e, width=3)
    pen.ellipse((x - 15, y - 15, x + 15, y + 15), fill=l, outline=e, width=3)


def _draw_glasses(pen, color, spot):
    _, (x0, y0, x1, y1), (cx, _) = spot
    c, e, l = _shades(color)
    y, r = y0 + 0.42 * (y1 - y0), 33
    for side in (-1, 1):
        ox = cx + side * 40
        pen.ellipse((ox - r, y - r, ox + r, y + r), fill=(235, 245, 250, 120))
        pen.ellipse((ox - r, y - r, ox + r, y + r), outline=e, width=13)
        pen.ellipse((ox - r + 2, y - r + 2, ox + r - 2, y + r - 2), outline=c, width=9)
    pen.line((cx - 12, y - 4, cx + 12, y - 4), fill=c, width=10)


def _draw_flower(pen, color, spot):
    (x, y), (x0, _, _, _), _ = spot
    c, e, l = _shades(color)
    x, y = max(x - 36, x0 + 12), y + 14
    for k in range(6):
        a = np.pi * k / 3
        px, py = x + 24 * np.cos(a), y + 24 * np.sin(a)
        pen.ellipse((px - 17, py - 17, px + 17, py + 17), fill=c, outline=e, width=2)
    mid = (250, 210, 60) if color != "yellow" else (150, 80, 30)
    pen.ellipse((x - 13, y - 13, x + 13, y + 13), fill=mid, outline=e, width=2)


_DRAW = {"hat": _draw_hat, "crown": _draw_crown, "scarf": _draw_scarf, "bow": _draw_bow,
         "glasses": _draw_glasses, "flower": _draw_flower}


@functools.lru_cache(maxsize=None)
def _accessory_layer(accessory, color, code):
    """The accessory alone on the canvas, smoothed: RGBA image."""
    layer = Image.new("RGBA", (CANVAS, CANVAS), (0, 0, 0, 0))
    _DRAW[accessory](ImageDraw.Draw(layer), color, _anchors(code))
    return layer.filter(ImageFilter.GaussianBlur(0.7))


@functools.lru_cache(maxsize=2048)
def _sprite(inst):
    """The whole thing, cropped to its visible box: RGBA image of up to CANVAS px."""
    rgb, alpha = _recolor(inst)
    px = np.zeros((CANVAS, CANVAS, 4), np.uint8)
    body = px[MARGIN:MARGIN + BASE, MARGIN:MARGIN + BASE]
    body[..., :3] = (rgb.clip(0, 1) * 255).astype(np.uint8)
    body[..., 3] = (alpha * 255).astype(np.uint8)
    im = Image.fromarray(px, "RGBA")
    if inst.accessory != "none":
        im.alpha_composite(_accessory_layer(inst.accessory, inst.accessory_color, inst.kind.code))
    return im.crop(_alpha_box(im))


def _alpha_box(im):
    return im.getchannel("A").point(lambda a: 255 if a > 40 else 0).getbbox() or (0, 0, 1, 1)


def _fit(im, size):
    """Resize so that the longest side is ``size``."""
    k = size / max(im.size)
    return im.resize((max(1, round(im.width * k)), max(1, round(im.height * k))),
                     Image.Resampling.BICUBIC, reducing_gap=2.0)


def render_sprite(inst, size):
    """The thing on a transparent square: RGBA uint8 [size, size, 4]."""
    im = _fit(_sprite(inst), size)
    out = Image.new("RGBA", (size, size))
    out.paste(im, ((size - im.width) // 2, (size - im.height) // 2))
    return np.asarray(out).copy()


# ---------------------------------------------------------------- pictures

@dataclass
class SceneObject:
    inst: Instance
    box: tuple          # x0, y0, x1, y1 in px: the tight box of what can be seen


@dataclass
class Scene:
    image: np.ndarray   # uint8 [size, size, 3]
    place: str
    light: str
    objects: list = field(default_factory=list)


_LIGHTS = {"day": (1.0, 1.0, 1.0), "warm": (1.06, 0.98, 0.86), "cold": (0.90, 0.98, 1.07),
           "dim": (0.74, 0.74, 0.78), "bright": (1.14, 1.14, 1.12)}


def _relight(px, rng, light):
    """Multiply by the light's colour and a soft left-right or top-down falloff."""
    size = px.shape[0]
    ramp = np.linspace(-1, 1, size, dtype=np.float32) * rng.uniform(-0.14, 0.14)
    ramp = ramp[:, None, None] if rng.random() < 0.5 else ramp[None, :, None]
    gain = np.array(_LIGHTS[light], np.float32) * (1 + ramp)
    return (px.astype(np.float32) * gain).clip(0, 255).astype(np.uint8)


def _pick_light(rng):
    names = list(_LIGHTS)
    return names[rng.choice(len(names), p=(0.4, 0.15, 0.15, 0.15, 0.15))]


def avatar(rng, inst, size=160):
    """The concept picture a user gives: the thing large on a plain or drawn background."""
    if rng.random() < 0.5:
        ground = Image.fromarray(draw_place(rng, PLACES[rng.integers(len(PLACES))], size))
    else:
        ground = Image.new("RGB", (size, size), tuple(int(v) for v in rng.integers(90, 250, 3)))
    im = _fit(_sprite(inst), int(size * rng.uniform(0.68, 0.92)))
    im = im.rotate(rng.uniform(-14, 14), Image.Resampling.BILINEAR, expand=True)
    x = (size - im.width) // 2 + int(rng.integers(-4, 5))
    y = (size - im.height) // 2 + int(rng.integers(-4, 5))
    ground.paste(im, (x, y), im)
    px = _relight(np.asarray(ground), rng, _pick_light(rng))
    return px


def _overlap(a, b):
    """Covered share of the smaller of two boxes."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    small = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return w * h / small


def _place_box(rng, size, w, h, taken):
    """A free spot for a w x h thing, mostly in the lower two thirds, or None."""
    for _ in range(40):
        x = int(rng.integers(0, max(1, size - w)))
        y = int(rng.integers(0, max(1, size - h)))
        box = (x, y, x + w, y + h)
        if all(_overlap(box, t) < 0.12 for t in taken):
            return box
    return None


def _stand(rng, ground, inst, size, taken):
    """Paste one thing into the picture; its visible box or None when there is no room."""
    side = rng.uniform(0.25, 0.50) * (1.0 if len(taken) < 2 else 0.85 if len(taken) < 4 else 0.7)
    im = _fit(_sprite(inst), int(size * side))
    im = im.rotate(rng.uniform(-22, 22), Image.Resampling.BILINEAR, expand=True)
    im = im.crop(_alpha_box(im))
    box = _place_box(rng, size, im.width, im.height, taken)
    if box is None:
        return None
    shadow = Image.new("L", (im.width, max(8, im.height // 5)), 0)
    ImageDraw.Draw(shadow).ellipse((im.width * 0.08, 1, im.width * 0.92, shadow.height - 2), fill=90)
    shadow = shadow.filter(ImageFilter.GaussianBlur(3))
    ground.paste((20, 20, 30), (box[0], box[3] - shadow.height // 2 - 2), shadow)
    ground.paste(im, box[:2], im)
    return box


def random_scene(rng, instances, size=320, place=None):
    """A photo of the given things (1 to 6; of five or more some may find no room) at a drawn place."""
    place = place or PLACES[rng.integers(len(PLACES))]
    ground = Image.fromarray(draw_place(rng, place, size))
    objects, taken = [], []
    for inst in instances:
        box = _stand(rng, ground, inst, size, taken)
        if box is not None:
            taken.append(box)
            objects.append(SceneObject(inst, tuple(int(v) for v in box)))
    if rng.random() < 0.3:
        ground = ground.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.3)))
    light = _pick_light(rng)
    px = _relight(np.asarray(ground), rng, light)
    if rng.random() < 0.4:
        noise = rng.integers(-7, 8, px.shape, dtype=np.int8)
        px = (px.astype(np.int16) + noise).clip(0, 255).astype(np.uint8)
    return Scene(px, place, light, objects)


# ---------------------------------------------------------------- train and test

def _distinct(rng, n, make, spare=60):
    """n instances of which any two differ clearly (the kind, or two attributes)."""
    out, by_kind, tries = [], {}, 0
    while len(out) < n and tries < n * spare:
        tries += 1
        inst = make(rng)
        near = by_kind.setdefault(inst.kind.name, [])
        if all(inst.distance(o) >= 2 for o in near):
            near.append(inst)
            out.append(inst)
    return out


def train_instances(n, seed=1):
    """n instances for training: seen kinds, looks that are not reserved, all keys different."""
    rng, out, keys = np.random.default_rng((seed, 11)), [], set()
    while len(out) < n:
        inst = random_instance(rng, SEEN_KINDS)
        if not inst.is_reserved() and inst.key() not in keys:
            keys.add(inst.key())
            out.append(inst)
    return out


def test_instances(n, seed=1, unseen=0.2):
    """n clearly different held-out instances: reserved looks, a share of kinds never trained on."""
    def make(rng):
        if rng.random() < unseen:
            return random_instance(rng, UNSEEN_KINDS)
        while True:
            inst = random_instance(rng, SEEN_KINDS)
            if inst.is_reserved():
                return inst
    return _distinct(np.random.default_rng((seed, 97)), n, make)


# ---------------------------------------------------------------- many scenes

def _prerender_part(task):
    maker, seed, first, count = task
    rng = np.random.default_rng((seed, first))
    return [maker(rng, first + i) for i in range(count)]


def prerender(name, maker, count, seed=1, procs=4, chunk=64):
    """Cache ``count`` samples on disk; returns (arrays, metas).

    ``maker(rng, index)`` (a top-level function or a functools.partial of one) returns a dict of
    fixed-shape numpy arrays plus a "meta" entry for JSON. Each array kind becomes the memory-mapped
    file NAME.KEY.npy, the metas NAME.json; a second call with the same name only opens them.
    """
    meta_path = work_dir("cache", name + ".json")
    if not os.path.exists(meta_path):
        tasks = [(maker, seed, i, min(chunk, count - i)) for i in range(0, count, chunk)]
        files, metas, at = {}, [], 0
        with multiprocessing.Pool(procs) as pool:
            for part in pool.imap(_prerender_part, tasks):
                for sample in part:
                    metas.append(sample.pop("meta"))
                    for key, value in sample.items():
                        if key not in files:
                            files[key] = np.lib.format.open_memmap(
                                work_dir("cache", f"{name}.{key}.npy"), mode="w+",
                                dtype=value.dtype, shape=(count,) + value.shape)
                        files[key][at] = value
                    at += 1
        with open(meta_path + ".part", "w", encoding="utf-8") as f:
            json.dump({"keys": list(files), "metas": metas}, f)
        os.replace(meta_path + ".part", meta_path)
    with open(meta_path, encoding="utf-8") as f:
        info = json.load(f)
    arrays = {k: np.load(work_dir("cache", f"{name}.{k}.npy"), mmap_mode="r") for k in info["keys"]}
    return arrays, info["metas"]
