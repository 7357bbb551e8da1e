"""Drawn backgrounds of the toy world: one function per place, all from simple shapes.

Each gets a drawing pen, a random generator and the picture's side and paints the whole square.
"""
import numpy as np
from PIL import Image, ImageDraw


def _jitter(rng, color, amount=16):
    return tuple(int(np.clip(c + rng.integers(-amount, amount + 1), 0, 255)) for c in color)


def _gradient(size, top, bottom):
    t = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    row = np.array(top, np.float32) * (1 - t) + np.array(bottom, np.float32) * t
    return Image.fromarray(np.broadcast_to(row, (size, size, 3)).astype(np.uint8))


def _split(rng, size, sky, ground, low=0.35, high=0.6):
    """A sky gradient above a ground gradient; returns the picture, its pen and the horizon."""
    h = int(size * rng.uniform(low, high))
    sky, ground = _jitter(rng, sky), _jitter(rng, ground)
    im = _gradient(size, sky, tuple(min(255, c + 30) for c in sky))
    floor = _gradient(size - h, tuple(min(255, c + 18) for c in ground), tuple(int(c * 0.82) for c in ground))
    im.paste(floor.crop((0, 0, size - h, size - h)).resize((size, size - h)), (0, h))
    return im, ImageDraw.Draw(im), h


def _clouds(pen, rng, size, h, color=(255, 255, 255)):
    for _ in range(rng.integers(1, 4)):
        x, y, r = rng.uniform(0, size), rng.uniform(0.05, 0.7) * h, size * rng.uniform(0.03, 0.06)
        for dx in (-1.3, 0, 1.3):
            k = r * (1.25 if dx == 0 else 1)
            pen.ellipse((x + dx * r - k, y - k * 0.7, x + dx * r + k, y + k * 0.7), fill=color)


def _beach(rng, size):
    im, pen, h = _split(rng, size, (120, 195, 245), (238, 214, 160))
    sea = int(h * rng.uniform(0.5, 0.7))
    pen.rectangle((0, sea, size, h), fill=_jitter(rng, (36, 130, 190)))
    for _ in range(6):
        y, x = rng.uniform(sea, h), rng.uniform(0, size)
        pen.line((x, y, x + size * 0.15, y), fill=(190, 225, 240), width=2)
    pen.line((0, h, size, h), fill=(250, 250, 250), width=3)
    x, r = rng.uniform(0.1, 0.9) * size, size * 0.06
    pen.ellipse((x - r, sea * 0.35 - r, x + r, sea * 0.35 + r), fill=(255, 236, 140))
    return im


def _forest(rng, size):
    im, pen, h = _split(rng, size, (150, 200, 170), (74, 116, 52))
    for _ in range(rng.integers(6, 11)):
        x, w = rng.uniform(0, size), size * rng.uniform(0.03, 0.05)
        top, green = h * rng.uniform(0.0, 0.35), _jitter(rng, (30, 92, 46), 20)
        pen.rectangle((x - w / 2, top, x + w / 2, h + size * 0.05), fill=_jitter(rng, (86, 58, 36)))
        for k in range(3):
            y, half = top + k * h * 0.2, w * (1.6 + k)
            pen.polygon([(x, y - h * 0.2), (x - half, y + h * 0.16), (x + half, y + h * 0.16)], fill=green)
    return im


def _room(rng, size):
    im, pen, h = _split(rng, size, (214, 190, 170), (150, 104, 66), 0.55, 0.7)
    wall = _jitter(rng, (205, 185, 165), 40)
    pen.rectangle((0, 0, size, h), fill=wall)
    x, y, s = rng.uniform(0.05, 0.6) * size, h * 0.12, size * 0.26
    pen.rectangle((x, y, x + s, y + s), fill=(170, 215, 245), outline=(250, 250, 250), width=5)
    pen.line((x + s / 2, y, x + s / 2, y + s), fill=(250, 250, 250), width=4)
    pen.line((x, y + s / 2, x + s, y + s / 2), fill=(250, 250, 250), width=4)
    pen.rectangle((0, h - 6, size, h), fill=(245, 240, 232))
    cx, w = rng.uniform(0.3, 0.7) * size, size * 0.36
    pen.ellipse((cx - w, h + (size - h) * 0.3, cx + w, size * 0.98), fill=_jitter(rng, (150, 70, 80), 40))
    return im


def _street(rng, size):
    im, pen, h = _split(rng, size, (170, 200, 225), (92, 94, 100), 0.5, 0.65)
    x = 0.0
    while x < size:
        w, top = size * rng.uniform(0.14, 0.26), h * rng.uniform(0.05, 0.45)
        pen.rectangle((x, top, x + w, h), fill=_jitter(rng, (165, 120, 104), 36))
        for wx in np.arange(x + 8, x + w - 10, 18):
            for wy in np.arange(top + 8, h - 14, 22):
                pen.rectangle((wx, wy, wx + 9, wy + 11), fill=(246, 232, 160))
        x += w
    pen.rectangle((0, h, size, h + size * 0.05), fill=(176, 176, 176))
    for k in range(5):
        x0 = size * (k * 0.22 + 0.02)
        pen.rectangle((x0, size * 0.86, x0 + size * 0.12, size * 0.885), fill=(235, 235, 225))
    return im


def _snow(rng, size):
    im, pen, h = _split(rng, size, (186, 206, 226), (236, 241, 248))
    for _ in range(3):
        x, w, t = rng.uniform(0, size), size * rng.uniform(0.2, 0.35), h * rng.uniform(0.1, 0.5)
        pen.polygon([(x, t), (x - w, h), (x + w, h)], fill=_jitter(rng, (128, 146, 170)))
        pen.polygon([(x, t), (x - w * 0.3, t + (h - t) * 0.3), (x + w * 0.3, t + (h - t) * 0.3)], fill=(250, 250, 255))
    for _ in range(40):
        x, y, r = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(1, 3)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(255, 255, 255))
    return im


def _kitchen(rng, size):
    im, pen, h = _split(rng, size, (232, 236, 232), (120, 84, 58), 0.5, 0.62)
    tile, line = size * 0.085, _jitter(rng, (170, 205, 200), 30)
    for k in np.arange(0, size, tile):
        pen.line((k, 0, k, h), fill=line, width=2)
        if k < h:
            pen.line((0, k, size, k), fill=line, width=2)
    pen.rectangle((0, h, size, h + size * 0.05), fill=(208, 198, 186))
    for k in range(3):
        x = size * (k * 0.34 + 0.01)
        pen.rectangle((x, h + size * 0.07, x + size * 0.31, size), outline=(78, 52, 34), width=3)
        pen.ellipse((x + size * 0.25, h + size * 0.18, x + size * 0.28, h + size * 0.21), fill=(230, 210, 150))
    return im


def _night(rng, size):
    im = _gradient(size, _jitter(rng, (10, 12, 44), 8), _jitter(rng, (62, 46, 110), 12))
    pen = ImageDraw.Draw(im)
    for _ in range(60):
        x, y, r = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(0.6, 2.0)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=(255, 250, 220))
    x, y, r = rng.uniform(0.15, 0.85) * size, size * rng.uniform(0.1, 0.25), size * 0.08
    pen.ellipse((x - r, y - r, x + r, y + r), fill=(250, 242, 200))
    pen.ellipse((x - r * 0.4, y - r * 1.1, x + r * 1.4, y + r * 0.8), fill=(22, 22, 62))
    return im


def _field(rng, size):
    im, pen, h = _split(rng, size, (110, 180, 245), (110, 186, 74))
    _clouds(pen, rng, size, h)
    x, w = rng.uniform(0, size), size * 0.5
    pen.ellipse((x - w, h - size * 0.08, x + w, h + size * 0.3), fill=_jitter(rng, (96, 170, 66)))
    for _ in range(30):
        x, y = rng.uniform(0, size), rng.uniform(h + 8, size)
        pen.line((x, y, x + rng.uniform(-3, 3), y - 8), fill=(66, 134, 48), width=2)
    for _ in range(10):
        x, y = rng.uniform(0, size), rng.uniform(h + 8, size)
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=_jitter(rng, (240, 225, 120), 15))
    return im


_DRAW = {"beach": _beach, "forest": _forest, "room": _room, "street": _street, "snow": _snow,
         "kitchen": _kitchen, "night sky": _night, "field": _field}


def draw_place(rng, place, size):
    """The background as uint8 [size, size, 3]; drawn at 320 px so that details keep their size."""
    im = _DRAW[place](rng, 320)
    if rng.random() < 0.5:
        im = im.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if size != 320:
        im = im.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(im)
