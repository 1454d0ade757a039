"""The OpenGL rasterizer: posed parts to material, normal and height per pixel."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch  # noqa: F401 - before Mesa: loaded after Mesa's LLVM it crashes

from training.errors import TrainingError
from training.figures import HEIGHT_PX, WIDTH_PX
from training.people.cameras import Camera, fit_window
from training.people.extras import import_extra
from training.people.geometry import Floats
from training.people.parts import PosedPart

_TOLERANCE = 0.008  # of the image: the contract allows 0.94 to 0.98
Figure = npt.NDArray[np.uint8]  # (HEIGHT_PX, WIDTH_PX, 4)

_VERTEX = """
#version 330
in vec3 point; in vec3 normal; in vec3 place; in vec3 marks;
uniform mat4 window;
out vec3 at; out vec3 way; out vec3 rest; out vec3 mark;
void main() {
    gl_Position = window * vec4(point, 1.0);
    at = point; way = normal; rest = place; mark = marks;
}
"""

_FRAGMENT = """
#version 330
in vec3 at; in vec3 way; in vec3 rest; in vec3 mark;
uniform vec2 materials; uniform vec4 bump; uniform vec3 seed;
out vec4 color;

float hash(vec3 p) {
    p = fract(p * vec3(0.1031, 0.1030, 0.0973));
    p += dot(p, p.yxz + 33.33);
    return fract((p.x + p.y) * p.z);
}
float noise(vec3 p) {
    vec3 i = floor(p), f = fract(p);
    f = f * f * (3.0 - 2.0 * f);
    vec2 e = vec2(0.0, 1.0);
    return mix(mix(mix(hash(i), hash(i + e.yxx), f.x),
                   mix(hash(i + e.xyx), hash(i + e.yyx), f.x), f.y),
               mix(mix(hash(i + e.xxy), hash(i + e.yxy), f.x),
                   mix(hash(i + e.xyy), hash(i + e.yyy), f.x), f.y), f.z);
}
float fold(vec3 p) {  // ridges, bent by slower noise
    vec3 q = p * bump.yzw + seed;
    q += 1.5 * vec3(noise(q * 0.4 + 7.0), noise(q * 0.4 + 19.0), noise(q * 0.4 + 31.0));
    return bump.x * (1.0 - abs(2.0 * noise(q) - 1.0) + 0.5 * noise(q * 2.1));
}
void main() {
    if (mark.x < 0.0) discard;
    vec3 n = normalize(way), eye = normalize(-at);
    if (dot(n, eye) < 0.0) n = -n;
    if (bump.x > 0.0) {
        vec3 px = dFdx(at), py = dFdy(at);
        vec3 rx = cross(py, n), ry = cross(n, px);
        float area = dot(px, rx), h = fold(rest);
        vec3 slope = sign(area) * (dFdx(h) * rx + dFdy(h) * ry);
        float steep = length(slope) / max(abs(area), 1e-12);
        n = normalize(abs(area) * n - slope / max(1.0, steep / 0.9));
    }
    n.z = max(n.z, 0.0);
    n = normalize(n + vec3(0.0, 0.0, 1e-4));
    float id = mark.y > 0.0 ? materials.y : materials.x;
    color = vec4(id / 255.0, (127.5 + 127.0 * n.xy) / 255.0, mark.z);
}
"""


class Rasterizer:
    """An off-screen OpenGL context of the figures' size."""

    def __init__(self) -> None:
        # Mesa makes threads of its own, which only wait where workers share the cores.
        os.environ.setdefault("LP_NUM_THREADS", "0")
        moderngl = import_extra("moderngl")
        try:
            self._context = moderngl.create_context(standalone=True, backend="egl")
        except Exception as error:  # moderngl raises no class of its own
            message = f"no OpenGL ({error}); install Mesa's EGL (libegl1, libgl1-mesa-dri)"
            raise TrainingError(message) from error
        self._program: Any = self._context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self._frame = self._context.simple_framebuffer((WIDTH_PX, HEIGHT_PX), 4)
        self._context.enable(moderngl.DEPTH_TEST)
        self._context.disable(moderngl.BLEND | moderngl.CULL_FACE)

    def render(
        self, parts: Sequence[PosedPart], camera: Camera, share: float, seed: Floats
    ) -> Figure:
        """Return a figure whose box fills a share of the image; `seed` (3,) moves the folds."""
        visible = np.concatenate([part.points[part.part.keep >= 0] for part in parts])
        window = fit_window(camera.transform(visible))
        for _ in range(3):
            figure = self._draw(parts, camera, window.project(share), seed)
            low, high = _find_box(figure)
            if abs(float((high - low).max()) / 2 - share) < _TOLERANCE:
                break
            # What is hidden by a cut, or thinner than a pixel, made the window too large.
            window = window.crop(share, low, high)
        return figure

    def _draw(
        self, parts: Sequence[PosedPart], camera: Camera, window: Floats, seed: Floats
    ) -> Figure:
        vertices = np.concatenate([_lay_out(part, camera) for part in parts])
        starts = np.cumsum([0, *(len(part.points) for part in parts)])
        faces = [p.part.faces + start for p, start in zip(parts, starts[:-1], strict=True)]
        buffer = self._context.buffer(vertices.tobytes())
        index = self._context.buffer(np.concatenate(faces).astype(np.int32).tobytes())
        names = ("point", "normal", "place", "marks")
        layout = self._context.vertex_array(
            self._program, [(buffer, "3f 3f 3f 3f", *names)], index_buffer=index
        )
        self._frame.use()
        self._frame.clear(0.0, 0.0, 0.0, 0.0)
        self._program["window"].write(np.ascontiguousarray(window.T).tobytes())
        self._program["seed"].value = tuple(seed)
        first = 0
        for part in parts:
            look = part.part.look
            second = look.material if look.second is None else look.second
            self._program["materials"].value = (float(look.material), float(second))
            self._program["bump"].value = look.bump
            layout.render(vertices=part.part.faces.size, first=first)
            first += part.part.faces.size
        data = self._frame.read(components=4)
        for resource in (layout, buffer, index):
            resource.release()
        return np.frombuffer(data, np.uint8).reshape(HEIGHT_PX, WIDTH_PX, 4)[::-1].copy()


def _find_box(figure: Figure) -> tuple[Floats, Floats]:
    """Return the corners (2,) of a figure's bounding box, from -1 to 1, x right and y up."""
    is_figure = figure[..., 0] > 0
    columns, rows = (np.flatnonzero(is_figure.any(axis=axis)) for axis in (0, 1))
    low = np.array([columns[0] / WIDTH_PX, 1 - (rows[-1] + 1) / HEIGHT_PX])
    high = np.array([(columns[-1] + 1) / WIDTH_PX, 1 - rows[0] / HEIGHT_PX])
    return 2 * low - 1, 2 * high - 1


def _lay_out(part: PosedPart, camera: Camera) -> Floats:
    """Return what the shader reads per vertex (N, 12): point, normal, place at rest, marks."""
    marks = np.stack([part.part.keep, part.part.second, part.height], axis=1)
    normals = part.normals @ camera.rotation.T
    columns = [camera.transform(part.points), normals, part.part.points, marks]
    return np.concatenate(columns, axis=1).astype(np.float32)
