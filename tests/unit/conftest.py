"""What tests of pure code and of files share."""

import pytest


@pytest.fixture
def root(tmp_path):
    """A root to install below."""
    (tmp_path / "etc/vz/conf").mkdir(parents=True)
    (tmp_path / "etc/iproute2/rt_tables.d").mkdir(parents=True)
    return tmp_path
