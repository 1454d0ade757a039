"""The GPU of tests that need one."""

import pytest
import torch

GPU = torch.device("cuda:0")
requires_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
