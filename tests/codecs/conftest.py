import pytest

from rsn_mm.codecs import quarter_offset_heatmap


@pytest.fixture(autouse=True)
def compiled_from_the_first_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the first few are decoded by tensors, and compared with themselves."""
    monkeypatch.setattr(quarter_offset_heatmap, '_decoded_maps', quarter_offset_heatmap.MAPS_BEFORE_NUMBA + 1)
