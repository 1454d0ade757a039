"""Bodies of the real model, and a shard of the real renderer."""

import numpy as np
import pytest

from helpers.locks import hold_lock
from helpers.people import Rendering, has_opengl, render_people
from training.people.bodies import Body, BodyFactory


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def factory(tmp_path_factory: pytest.TempPathFactory) -> BodyFactory:
    pytest.importorskip("anny", reason="needs anny, which only the training uses")
    # The first start on a machine builds the model, and caches it for all.
    with hold_lock(tmp_path_factory.getbasetemp().parent / "anny.lock"):
        return BodyFactory()


@pytest.fixture(scope="session")
def body(factory: BodyFactory) -> Body:
    return factory.sample(np.random.default_rng(2))


@pytest.fixture(scope="session")
def rendering(
    factory: BodyFactory,  # noqa: ARG001 - skips without it, and fills its cache
    tmp_path_factory: pytest.TempPathFactory,
) -> Rendering:
    """Figures of a process of its own: Mesa shares none with the libraries of other tests."""
    if not has_opengl():
        pytest.skip("needs moderngl and EGL, which only the training uses")
    return render_people(tmp_path_factory.mktemp("people"))
