"""Draws the creatures and the sea floors of the demo's footage. Pillow and numpy only; every choice comes from a generator."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

Colour = tuple[int, int, int]
Draw = Callable[[int, float, np.random.Generator], Image.Image]

OVERSAMPLING = 4
"""Shapes are drawn this many times larger and then reduced, which gives them smooth edges."""
PHASES = 6
"""Pictures in one cycle of a creature's movement."""

FISH_COLOURS: tuple[tuple[Colour, Colour], ...] = (
    ((244, 132, 40), (255, 246, 228)),
    ((250, 206, 60), (40, 60, 120)),
    ((228, 88, 120), (255, 214, 190)),
    ((120, 200, 240), (24, 52, 110)),
    ((182, 220, 90), (46, 92, 60)),
)
CRAB_COLOURS: tuple[tuple[Colour, Colour], ...] = (
    ((206, 58, 44), (255, 168, 120)),
    ((222, 104, 40), (255, 214, 130)),
    ((160, 52, 90), (240, 150, 170)),
    ((186, 84, 60), (250, 196, 160)),
)
WATER: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((96, 190, 214), (22, 86, 132), (214, 190, 140)),
    ((70, 160, 150), (14, 62, 76), (150, 140, 110)),
    ((130, 170, 220), (48, 66, 130), (196, 176, 170)),
    ((54, 120, 160), (10, 34, 70), (120, 110, 104)),
    ((150, 206, 190), (44, 118, 116), (226, 208, 166)),
    ((110, 140, 170), (40, 54, 84), (168, 150, 120)),
)


def smooth_noise(shape: tuple[int, int], cell: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of (height, width) in 0..1 whose blobs are about ``cell`` pixels wide."""
    height, width = shape
    grid = rng.integers(0, 256, (height // cell + 2, width // cell + 2), dtype=np.uint8)
    picture = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, dtype=np.float64) / 255


def fish(length: int, phase: float, rng: np.random.Generator) -> Image.Image:
    """A fish looking right, ``length`` pixels long; ``phase`` in 0..1 wags its tail. Transparent around it."""
    body_colour, mark_colour = FISH_COLOURS[rng.integers(len(FISH_COLOURS))]
    stripes = int(rng.integers(1, 4))
    wide, high = length * OVERSAMPLING, int(length * 0.62) * OVERSAMPLING
    wag = math.sin(2 * math.pi * phase)
    picture, body = Image.new("RGBA", (wide, high)), Image.new("L", (wide, high))
    pen = ImageDraw.Draw(picture)

    def at(x: float, y: float) -> tuple[float, float]:
        return x * wide, y * high

    dark = _shade(body_colour, 0.72)
    pen.polygon([at(0.30, 0.5), at(0.03, 0.20 + 0.08 * wag), at(0.10, 0.5 + 0.05 * wag), at(0.03, 0.80 + 0.08 * wag)], fill=dark)
    pen.polygon([at(0.40, 0.24), at(0.56, 0.02), at(0.74, 0.26)], fill=dark)
    pen.polygon([at(0.48, 0.76), at(0.52, 0.95), at(0.66, 0.78)], fill=dark)
    outline = (*at(0.22, 0.16), *at(0.99, 0.84))
    ImageDraw.Draw(body).ellipse(outline, fill=255)
    marks = Image.new("RGBA", (wide, high), (*body_colour, 255))
    inked = ImageDraw.Draw(marks)
    for stripe in range(stripes):
        x = 0.36 + stripe * 0.15
        inked.polygon([at(x, 0), at(x + 0.07, 0), at(x + 0.05, 1), at(x - 0.02, 1)], fill=(*mark_colour, 255))
    picture.paste(_textured(marks, rng), mask=body)
    pen.ellipse((*at(0.80, 0.32), *at(0.91, 0.50)), fill=(250, 250, 246), outline=dark, width=OVERSAMPLING // 2)
    pen.ellipse((*at(0.845, 0.36), *at(0.895, 0.46)), fill=(16, 20, 30))
    pen.arc((*at(0.88, 0.46), *at(1.02, 0.66)), 80, 190, fill=dark, width=OVERSAMPLING)
    pen.polygon([at(0.60, 0.52), at(0.48, 0.66 + 0.06 * wag), at(0.66, 0.66)], fill=dark)
    return picture.reduce(OVERSAMPLING)


def crab(length: int, phase: float, rng: np.random.Generator) -> Image.Image:
    """A crab seen from the front, ``length`` pixels wide; ``phase`` in 0..1 moves its legs and claws."""
    shell_colour, spot_colour = CRAB_COLOURS[rng.integers(len(CRAB_COLOURS))]
    wide, high = length * OVERSAMPLING, int(length * 0.72) * OVERSAMPLING
    swing = math.sin(2 * math.pi * phase)
    picture, shell = Image.new("RGBA", (wide, high)), Image.new("L", (wide, high))
    pen = ImageDraw.Draw(picture)
    dark = _shade(shell_colour, 0.66)
    _limbs(pen, (wide, high), swing, dark)
    _claws(pen, (wide, high), swing, shell_colour)

    def at(x: float, y: float) -> tuple[float, float]:
        return x * wide, y * high

    for x in (0.41, 0.59):
        pen.line([at(x, 0.46), at(x + (x - 0.5) * 0.2, 0.27)], fill=dark, width=wide // 36)
        eye = x + (x - 0.5) * 0.2
        pen.ellipse((*at(eye - 0.035, 0.19), *at(eye + 0.035, 0.29)), fill=(250, 250, 246))
        pen.ellipse((*at(eye - 0.015, 0.22), *at(eye + 0.015, 0.27)), fill=(16, 20, 30))
    ImageDraw.Draw(shell).ellipse((*at(0.24, 0.38), *at(0.76, 0.88)), fill=255)
    marks = Image.new("RGBA", (wide, high), (*shell_colour, 255))
    inked = ImageDraw.Draw(marks)
    for x, y, r in ((0.38, 0.52, 0.04), (0.5, 0.46, 0.03), (0.61, 0.53, 0.045), (0.45, 0.66, 0.03), (0.57, 0.68, 0.03)):
        inked.ellipse((*at(x - r, y - r), *at(x + r, y + r)), fill=(*spot_colour, 255))
    picture.paste(_textured(marks, rng), mask=shell)
    pen.arc((*at(0.40, 0.58), *at(0.60, 0.80)), 30, 150, fill=dark, width=OVERSAMPLING)
    return picture.reduce(OVERSAMPLING)


def _limbs(pen: ImageDraw.ImageDraw, size: tuple[int, int], swing: float, colour: Colour) -> None:
    wide, high = size
    for side in (-1, 1):
        for leg in range(3):
            lift = 0.035 * swing * (-1) ** leg
            knee = (0.5 + side * (0.36 + 0.03 * leg), 0.56 + 0.10 * leg + lift)
            foot = (0.5 + side * (0.44 - 0.03 * leg), 0.80 + 0.08 * leg + lift)
            hip = (0.5 + side * 0.20, 0.62 + 0.05 * leg)
            pen.line([(x * wide, y * high) for x, y in (hip, knee, foot)], fill=colour, width=wide // 26, joint="curve")


def _claws(pen: ImageDraw.ImageDraw, size: tuple[int, int], swing: float, colour: Colour) -> None:
    wide, high = size
    for side in (-1, 1):
        raised = 0.03 * swing * side
        elbow, hand = (0.5 + side * 0.34, 0.42 + raised), (0.5 + side * 0.36, 0.20 + raised)
        path = [((0.5 + side * 0.20) * wide, 0.54 * high), (elbow[0] * wide, elbow[1] * high), (hand[0] * wide, hand[1] * high)]
        pen.line(path, fill=_shade(colour, 0.8), width=wide // 18, joint="curve")
        radius = 0.115 * wide
        x, y = hand[0] * wide, hand[1] * high
        gap = 24 + 14 * swing
        opening = 270 - side * 20
        pen.pieslice((x - radius, y - radius, x + radius, y + radius), opening + gap, opening - gap + 360, fill=colour)


def mirrored(picture: Image.Image) -> Image.Image:
    """The same creature looking the other way."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def sea_floor(size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """An opaque background of ``size`` (width, height): water, light, sand, weeds and stones."""
    width, height = size
    top, deep, sand = (np.array(colour, dtype=np.float64) for colour in WATER[rng.integers(len(WATER))])
    depth = np.linspace(0, 1, height)[:, None, None]
    water = top * (1 - depth) + deep * depth
    cloud = smooth_noise((height, width), int(rng.integers(18, 48)), rng)[:, :, None]
    slope = float(rng.uniform(0.1, 0.5))
    rays = np.sin((np.arange(width)[None, :] + slope * np.arange(height)[:, None]) / float(rng.uniform(9, 22)))[:, :, None]
    water = water + (cloud - 0.5) * 46 + np.clip(rays, 0, 1) * 22 * (1 - depth)
    grain = smooth_noise((height, width), 3, rng)[:, :, None]
    floor = sand * (0.74 + 0.4 * grain)
    bank = height * float(rng.uniform(0.66, 0.82)) + 10 * np.sin(np.arange(width) / float(rng.uniform(30, 60)))
    below = (np.arange(height)[:, None] > bank[None, :])[:, :, None]
    scene = Image.fromarray(np.clip(np.where(below, floor, water), 0, 255).astype(np.uint8))
    _stones(scene, bank, sand, rng)
    _weeds(scene, bank, rng)
    return scene


def _stones(scene: Image.Image, bank: NDArray[np.float64], sand: NDArray[np.float64], rng: np.random.Generator) -> None:
    pen = ImageDraw.Draw(scene)
    for _ in range(int(rng.integers(4, 9))):
        x, radius = int(rng.integers(0, scene.width)), int(rng.integers(6, 22))
        y = bank[x] + float(rng.uniform(0, scene.height - bank[x]))
        grey = _shade(_colour(sand), float(rng.uniform(0.45, 0.75)))
        pen.ellipse((x - radius, y - radius * 0.6, x + radius, y + radius * 0.6), fill=grey)
        pen.chord((x - radius, y - radius * 0.6, x + radius, y + radius * 0.4), 190, 340, fill=_shade(grey, 1.25))


def _weeds(scene: Image.Image, bank: NDArray[np.float64], rng: np.random.Generator) -> None:
    pen = ImageDraw.Draw(scene)
    for _ in range(int(rng.integers(3, 9))):
        x, tall = int(rng.integers(0, scene.width)), int(rng.integers(30, 110))
        sway, green = float(rng.uniform(4, 10)), (int(rng.integers(20, 70)), int(rng.integers(90, 150)), int(rng.integers(50, 100)))
        steps = np.arange(0, tall, 3)
        stalk = [(x + sway * math.sin(step / 11 + x), bank[x] + 8 - step) for step in steps]
        pen.line([point for xy in stalk for point in xy], fill=green, width=5, joint="curve")
        for index, (leaf_x, leaf_y) in enumerate(stalk[2::4]):
            reach = 9 if index % 2 else -9
            near, far = sorted((leaf_x, leaf_x + reach))
            pen.ellipse((near, leaf_y - 3, far, leaf_y + 3), fill=_shade(green, 1.2))


def _textured(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture with scales: lighter and darker blobs, lit from above."""
    noise = smooth_noise((picture.height, picture.width), 2 * OVERSAMPLING, rng) * 46 + 196
    light = np.linspace(36, -36, picture.height)[:, None]
    shade = Image.fromarray(np.clip(noise + light, 0, 255).astype(np.uint8))
    return Image.merge("RGBA", (*(ImageChops.multiply(band, shade) for band in picture.split()[:3]), picture.getchannel("A")))


def _shade(colour: Colour, factor: float) -> Colour:
    return _colour(np.clip(np.array(colour, dtype=np.float64) * factor, 0, 255))


def _colour(values: NDArray[np.float64]) -> Colour:
    return int(values[0]), int(values[1]), int(values[2])
