"""Makes the stages importable from any folder, and the tests as quick as two busy cores allow."""
import pathlib
import sys

import pytest
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Tiny tensors: threads would spend their time waiting for each other."""
    torch.set_num_threads(1)
