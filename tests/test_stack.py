"""The check of versions at import."""
import pytest

from rsn_mm import stack


def test_the_installed_stack_passes() -> None:
    stack.check_stack()


@pytest.mark.parametrize('found, message', [
    ('2.5.1', r'needs torch >= 2.6, < 3, but 2.5.1 is installed. Remedy: pip install torch'),
    (None, r'needs torch >= 2.6, < 3, which is not installed. Remedy: pip install torch'),
])
def test_old_and_missing_packages_are_refused(monkeypatch: pytest.MonkeyPatch, found: str, message: str) -> None:
    monkeypatch.setattr(stack, '_installed', lambda distribution: found)
    with pytest.raises(ImportError, match=message):
        stack.check_stack()


@pytest.mark.parametrize('accepted', ['2.6.0', '2.13.0+cpu', '2.14.0.dev20261101'])
def test_local_and_pre_release_versions_count_as_their_release(monkeypatch: pytest.MonkeyPatch, accepted: str) -> None:
    monkeypatch.setattr(stack, 'REQUIREMENTS', stack.REQUIREMENTS[:1])
    monkeypatch.setattr(stack, '_installed', lambda distribution: accepted)
    stack.check_stack()
