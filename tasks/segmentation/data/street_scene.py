"""The things of a generated street scene, each painted with its label."""

from __future__ import annotations

import cv2
import numpy as np

IDS = {
    "unlabeled": 0, "ego vehicle": 1, "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17,
    "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25,
    "car": 26, "truck": 27, "bus": 28, "bicycle": 33,
}  # fmt: skip
"""Label ids of Cityscapes."""


class Scene:
    """A canvas of picture and labels.

    Colours overlap on purpose: facades, walls, road and pavement share greys, cars and clothes have any colour, so that
    place, shape and size have to be looked at.

    Args:
        height: Of the canvas.
        width: Of the canvas.
        rng: Decides everything.
    """

    def __init__(self, height: int, width: int, rng: np.random.Generator) -> None:
        self.height, self.width, self.rng = height, width, rng
        self.picture = np.zeros((height, width, 3), np.float32)
        self.labels = np.zeros((height, width), np.uint8)
        self.horizon = int(height * rng.uniform(0.36, 0.5))
        self.vanishing = width * rng.uniform(0.35, 0.65)
        self.road = width * rng.uniform(0.45, 0.75)  # widths at the lower border
        self.pavement = width * rng.uniform(0.12, 0.3)

    def paint_all(self) -> None:
        """From far to near."""
        rng = self.rng
        self._sky()
        for side in (-1, 1):
            self._row_of_houses(side)
        self._ground()
        for side in (-1, 1):
            self._beside_the_pavement(side)
        things = [(self._vehicle, int(rng.integers(1, 5))), (self._person, int(rng.integers(0, 5)))]
        things += [(self._pole, int(rng.integers(1, 4))), (self._tree, int(rng.integers(0, 3)))]
        placed = [(float(rng.uniform(0.06, 0.8)) ** 1.3, paint) for paint, count in things for _ in range(count)]
        for depth, paint in sorted(placed, key=lambda item: item[0]):
            paint(depth)
        if rng.random() < 0.3:
            self._fill(np.array([[0, 0.95], [0.5, 0.91], [1, 0.95], [1, 1], [0, 1]]) * self._size, "ego vehicle", 40)

    # ---- places -----------------------------------------------------------------------------------------------------

    @property
    def _size(self) -> np.ndarray:
        return np.array([self.width, self.height], np.float64)

    def _row(self, depth: float) -> float:
        """Row of the ground: depth 0 is the horizon, 1 the lower border."""
        return self.horizon + depth * (self.height - self.horizon)

    def _edge(self, depth: float, side: int, of: str) -> float:
        """Column of the outer edge of the road or the pavement."""
        half = self.road / 2 + (self.pavement if of == "pavement" else 0)
        return self.vanishing + side * half * depth

    # ---- brushes ----------------------------------------------------------------------------------------------------

    def _fill(self, corners: np.ndarray, name: str, colour: float | np.ndarray, grain: float = 5.0) -> None:
        mask = np.zeros((self.height, self.width), np.uint8)
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1)
        self._stamp(mask.astype(bool), name, colour, grain)

    def _stamp(self, mask: np.ndarray, name: str, colour: float | np.ndarray, grain: float) -> None:
        count = int(mask.sum())
        if count:
            shade = np.broadcast_to(np.asarray(colour, np.float32), (3,))
            self.picture[mask] = shade + self.rng.normal(0, grain, (count, 1)).astype(np.float32)
            self.labels[mask] = IDS[name]

    def _box(self, left: float, top: float, right: float, bottom: float, name: str, colour: float | np.ndarray) -> None:
        self._fill(np.array([[left, top], [right, top], [right, bottom], [left, bottom]]), name, colour)

    def _grey(self, low: float, high: float) -> np.ndarray:
        tint: np.ndarray = self.rng.uniform(low, high) + self.rng.normal(0, 8, 3)
        return tint

    def _any_colour(self) -> np.ndarray:
        colour: np.ndarray = self.rng.uniform(20, 235, 3)
        return colour

    # ---- things -----------------------------------------------------------------------------------------------------

    def _sky(self) -> None:
        top = np.array([110, 150, 205]) if self.rng.random() < 0.6 else np.array([165, 168, 172])
        top = top + self.rng.normal(0, 15, 3)
        rows = np.linspace(0, 1, self.height, dtype=np.float32)[:, None, None]
        self.picture[:] = top + rows * (225 - top)
        self.labels[:] = IDS["sky"]

    def _row_of_houses(self, side: int) -> None:
        depth, rng = 0.03, self.rng
        spans = []
        while depth < 1.3:
            following = depth + rng.uniform(0.06, 0.4) * (0.4 + depth)
            spans.append((depth, following))
            depth = following
        for near_first, (start, stop) in enumerate(spans):
            if rng.random() < 0.2:
                self._wood(start, stop, side)
            elif rng.random() < 0.9 or near_first == 0:
                self._house(start, stop, side)

    def _house(self, start: float, stop: float, side: int) -> None:
        rng = self.rng
        storeys = int(rng.integers(2, 6))
        tall = rng.uniform(0.16, 0.22) * storeys * self.height
        facade = self._grey(70, 190) if rng.random() < 0.6 else rng.uniform((110, 60, 40), (210, 170, 140))
        x0, x1 = (self._edge(d, side, "pavement") for d in (start, stop))
        y0, y1 = self._row(start), self._row(stop)
        top0, top1 = y0 - tall * start - 2, y1 - tall * stop - 2
        self._fill(np.array([[x0, y0], [x1, y1], [x1, top1], [x0, top0]]), "building", facade)
        glass = self._grey(30, 90)
        columns = max(1, int(abs(x1 - x0) / (0.035 * self.width)))
        for storey in range(storeys):
            for column in range(columns):
                a, b = (column + 0.25) / columns, (column + 0.75) / columns
                low, high = (storey + 0.3) / storeys, (storey + 0.75) / storeys
                corners = [
                    (x0 + u * (x1 - x0), y0 + u * (y1 - y0) - v * ((y0 - top0) + u * ((y1 - top1) - (y0 - top0))))
                    for u, v in ((a, low), (b, low), (b, high), (a, high))
                ]
                self._fill(np.array(corners), "building", glass)

    def _wood(self, start: float, stop: float, side: int) -> None:
        middle = (start + stop) / 2
        span = abs(self._edge(stop, side, "pavement") - self._edge(start, side, "pavement"))
        for _ in range(int(self.rng.integers(5, 12))):
            x = self._edge(self.rng.uniform(start, stop), side, "pavement") + side * 0.03 * self.width * middle
            radius = self.rng.uniform(0.3, 0.6) * max(span, 0.1 * self.height * middle)
            y = self._row(middle) - self.rng.uniform(0.3, 1.6) * radius
            self._leaves(x, y, radius)

    def _leaves(self, x: float, y: float, radius: float) -> None:
        mask = np.zeros((self.height, self.width), np.uint8)
        centre = (round(x), round(y))
        cv2.ellipse(mask, centre, (max(1, round(radius)), max(1, round(0.8 * radius))), 0, 0, 360, 1, -1)
        green = self.rng.uniform((25, 55, 15), (80, 115, 55))
        self._stamp(mask.astype(bool), "vegetation", green, 22)

    def _ground(self) -> None:
        x, bottom = self.vanishing, self.height
        asphalt = self._grey(70, 130)
        meadow = self.rng.random() < 0.5
        everything = np.array([[0, self.horizon], [self.width, self.horizon], [self.width, bottom], [0, bottom]])
        beyond = self.rng.uniform((85, 95, 35), (135, 140, 80)) if meadow else self._grey(95, 165)
        band = everything.astype(np.float64)
        mask = np.zeros((self.height, self.width), np.uint8)
        cv2.fillPoly(mask, [np.round(band).astype(np.int32)], 1)
        free = mask.astype(bool) & ~np.isin(self.labels, [IDS["building"], IDS["vegetation"]])
        self._stamp(free, "terrain" if meadow else "sidewalk", beyond, 9)
        for of, name, colour in (
            ("pavement", "sidewalk", asphalt + self.rng.uniform(5, 60)),
            ("road", "road", asphalt),
        ):
            corners = [[x, self.horizon], [self._edge(1, 1, of), bottom], [self._edge(1, -1, of), bottom]]
            self._fill(np.array(corners), name, colour)
        for stripe in np.arange(0.05, 1.0, 0.16):
            near = stripe + 0.08
            half = 0.008 * self.width
            corners = [
                [x - half * stripe, self._row(stripe)], [x + half * stripe, self._row(stripe)],
                [x + half * near, self._row(near)], [x - half * near, self._row(near)],
            ]  # fmt: skip
            self._fill(np.array(corners), "road", 215)

    def _beside_the_pavement(self, side: int) -> None:
        if self.rng.random() > 0.45:
            return
        name = "wall" if self.rng.random() < 0.5 else "fence"
        start, stop = np.sort(self.rng.uniform(0.1, 1.1, 2))
        tall = self.rng.uniform(0.1, 0.2) * self.height
        corners = [
            [self._edge(d, side, "pavement"), self._row(d) - up * tall * d]
            for d, up in ((start, 0), (stop, 0), (stop, 1), (start, 1))
        ]
        self._fill(np.array(corners), name, self._grey(80, 170))
        if name == "fence":
            for d in np.linspace(start, stop, 14):
                x = self._edge(d, side, "pavement")
                self._box(x - 2, self._row(d) - tall * d, x + 2, self._row(d), name, 45)

    def _vehicle(self, depth: float) -> None:
        rng = self.rng
        kind = str(rng.choice(["car", "car", "car", "car", "truck", "bus"]))
        wide = {"car": 0.2, "truck": 0.24, "bus": 0.25}[kind] * self.width * depth
        tall = {"car": 0.62, "truck": 1.15, "bus": 1.25}[kind] * wide * rng.uniform(0.9, 1.1)
        x = self.vanishing + rng.uniform(-0.36, 0.36) * self.road * depth
        y = self._row(depth)
        paint, glass = self._any_colour(), self._grey(30, 80)
        left, right = x - wide / 2, x + wide / 2
        if kind == "car":
            self._box(left, y - 0.62 * tall, right, y - 0.12 * tall, kind, paint)
            cabin = [[left + 0.1 * wide, y - 0.6 * tall], [right - 0.1 * wide, y - 0.6 * tall],
                     [right - 0.22 * wide, y - tall], [left + 0.22 * wide, y - tall]]  # fmt: skip
            self._fill(np.array(cabin), kind, glass)
        else:
            self._box(left, y - tall, right, y - 0.1 * tall, kind, paint)
            if kind == "bus":
                self._box(left + 0.08 * wide, y - 0.9 * tall, right - 0.08 * wide, y - 0.5 * tall, kind, glass)
        for wheel in (0.06, 0.74):
            self._box(left + wheel * wide, y - 0.2 * tall, left + (wheel + 0.2) * wide, y, kind, 25)
        for lamp in (0.04, 0.82):
            top = y - 0.5 * tall if kind == "car" else y - 0.3 * tall
            self._box(
                left + lamp * wide, top, left + (lamp + 0.14) * wide, top + 0.1 * tall, kind, np.array([190, 40, 35])
            )

    def _person(self, depth: float) -> None:
        rng = self.rng
        tall = 0.3 * self.height * depth
        side = int(rng.choice([-1, 1]))
        rides = rng.random() < 0.3
        away = rng.uniform(-0.06, 0.02) * self.width if rides else rng.uniform(0.15, 0.85) * self.pavement
        x, y = self._edge(depth, side, "road") + side * away * depth, self._row(depth)
        name = "rider" if rides else "person"
        if rides:
            frame = self._grey(20, 70)
            for wheel in (-0.28, 0.28):
                centre = (round(x + wheel * tall), round(y - 0.16 * tall))
                ring = np.zeros((self.height, self.width), np.uint8)
                cv2.circle(ring, centre, max(2, round(0.16 * tall)), 1, max(2, round(0.05 * tall)))
                self._stamp(ring.astype(bool), "bicycle", frame, 5)
            self._box(x - 0.28 * tall, y - 0.26 * tall, x + 0.28 * tall, y - 0.2 * tall, "bicycle", frame)
            y -= 0.15 * tall
        cloth = self._any_colour()
        self._box(x - 0.1 * tall, y - 0.5 * tall, x + 0.1 * tall, y, name, self._grey(20, 90))
        self._box(x - 0.14 * tall, y - 0.85 * tall, x + 0.14 * tall, y - 0.42 * tall, name, cloth)
        mask = np.zeros((self.height, self.width), np.uint8)
        cv2.circle(mask, (round(x), round(y - 0.92 * tall)), max(1, round(0.08 * tall)), 1, -1)
        self._stamp(mask.astype(bool), name, self.rng.uniform((90, 60, 45), (225, 185, 160)), 5)

    def _pole(self, depth: float) -> None:
        rng = self.rng
        side = int(rng.choice([-1, 1]))
        x = self._edge(depth, side, "road") + side * 0.1 * self.pavement * depth
        y, tall, half = self._row(depth), 0.75 * self.height * depth, max(1.5, 0.009 * self.width * depth)
        self._box(x - half, y - tall, x + half, y, "pole", self._grey(60, 150))
        plate = 0.055 * self.width * depth
        if rng.random() < 0.5:
            self._box(x - 0.5 * plate, y - tall, x + 0.5 * plate, y - tall + 2.2 * plate, "traffic light", 35)
            lit = np.array([[215, 50, 40], [230, 180, 60], [60, 200, 90]])[int(rng.integers(3))]
            mask = np.zeros((self.height, self.width), np.uint8)
            cv2.circle(mask, (round(x), round(y - tall + 1.1 * plate)), max(1, round(0.35 * plate)), 1, -1)
            self._stamp(mask.astype(bool), "traffic light", lit, 5)
        else:
            colour = np.array([[190, 35, 40], [40, 80, 170], [225, 200, 60], [230, 230, 230]])[int(rng.integers(4))]
            turns = np.arange(int(rng.choice([3, 4, 24])))
            angles = 2 * np.pi * turns / len(turns) - np.pi / 2
            corners = np.stack([x + plate * np.cos(angles), y - tall + plate * (1 + np.sin(angles))], axis=1)
            self._fill(corners, "traffic sign", colour)

    def _tree(self, depth: float) -> None:
        side = int(self.rng.choice([-1, 1]))
        x = self._edge(depth, side, "road") + side * self.rng.uniform(0.6, 1.1) * self.pavement * depth
        y, tall = self._row(depth), 0.7 * self.height * depth
        self._box(x - 0.03 * tall, y - 0.6 * tall, x + 0.03 * tall, y, "vegetation", np.array([70, 55, 40]))
        for _ in range(5):
            dx, dy = self.rng.normal(0, 0.12, 2) * tall
            self._leaves(x + dx, y - 0.8 * tall + dy, 0.22 * tall)
