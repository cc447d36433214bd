"""Photographs a sheet of paper: on a desk, at an angle, in uneven light, with noise, blur and JPEG."""

import cv2
import numpy as np
from PIL import Image


def photograph(rng, paper, path, hard):
    """Saves the photograph; `hard` widens every range to what a hurried person sends."""
    page = np.array(paper)
    height, width = page.shape[:2]
    # The paper fills most of the picture; a newer telephone takes more pixels.
    scale = rng.choice([0.9, 1.0, 1.25, 1.5]) if hard else 1.0
    margin = int(80 * scale)
    w, h = int(width * scale), int(height * scale)
    tilt = rng.uniform(-0.04, 0.04) if hard else rng.uniform(-0.025, 0.025)
    jitter = lambda: rng.uniform(-0.022, 0.022) * w
    corners = []
    for x, y in ((0, 0), (w, 0), (w, h), (0, h)):
        dx, dy = x - w / 2, y - h / 2
        corners.append([margin + w / 2 + dx - tilt * dy + jitter(), margin + h / 2 + dy + tilt * dx + jitter()])
    source = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    matrix = cv2.getPerspectiveTransform(source, np.float32(corners))
    size = (w + 2 * margin, h + 2 * margin)
    desk = rng.choice([(60, 64, 72), (88, 70, 54), (36, 38, 36), (120, 112, 100)])
    shot = cv2.warpPerspective(page, matrix, size, flags=cv2.INTER_AREA, borderValue=desk).astype(np.float32)
    across = np.linspace(rng.uniform(0.6 if hard else 0.85, 1), 1, size[0])[None, :, None]
    down = np.linspace(1, rng.uniform(0.7 if hard else 0.85, 1), size[1])[:, None, None]
    shot *= across[:, :: rng.choice([1, -1])] * down[:: rng.choice([1, -1])]
    noise = np.random.default_rng(rng.randrange(1 << 32))
    shot += noise.normal(0, rng.uniform(2, 8 if hard else 4), shot.shape)
    shot = np.clip(shot, 0, 255).astype(np.uint8)
    if rng.random() < (0.6 if hard else 0.4):
        shot = cv2.GaussianBlur(shot, (3, 3), rng.uniform(0.5, 1.1 if hard else 0.8))
    image, exif = Image.fromarray(shot), Image.Exif()
    if hard and rng.random() < 0.1:
        # Held sideways: the pixels lie on their side and the tag says so.
        image, exif[0x0112] = image.transpose(Image.Transpose.ROTATE_90), 6
    image.save(path, quality=rng.randint(62, 92) if hard else rng.randint(80, 92), exif=exif)
