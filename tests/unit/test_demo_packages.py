"""What the demo does when its packages are not there."""

import importlib
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from geneva.cli.demo import packages
from geneva.cli.demo.packages import PackagesMissingError

ABSENT = Requirement("geneva-test-absent>=1")


@pytest.fixture
def lines():
    return []


@pytest.fixture(autouse=True)
def unchanged_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_requirements_come_from_the_metadata_of_the_extra():
    names = {requirement.name for requirement in packages.required()}
    assert names == {"pillow", "scikit-image", "scikit-learn"}
    assert names == set(packages.DOWNLOAD_MB)


def test_nothing_is_said_or_changed_when_all_is_there(tmp_path, lines):
    before = list(sys.path)
    packages.ensure(tmp_path / ".packages", install=True, say=lines.append)
    assert lines == []
    assert sys.path == before
    assert list(tmp_path.iterdir()) == []


def test_no_install_refuses_with_the_command_and_the_size(monkeypatch, tmp_path):
    monkeypatch.setattr(packages, "required", lambda: [ABSENT, Requirement("pillow")])
    with pytest.raises(PackagesMissingError, match=r"geneva-test-absent>=1 \(about \d+ MB") as no:
        packages.ensure(tmp_path, install=False, say=print)
    assert "pip install 'opengeneva[demo]'" in str(no.value)
    assert "pillow" not in str(no.value)


def test_an_installed_version_that_does_not_do_is_an_error():
    with pytest.raises(PackagesMissingError, match=r"needs pillow>=999, but .* is installed"):
        packages.missing([Requirement("pillow>=999")])


def test_without_pip_and_uv_the_command_is_named(monkeypatch, tmp_path, lines):
    monkeypatch.setattr(packages, "required", lambda: [ABSENT])
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    with pytest.raises(PackagesMissingError, match=r"Neither pip nor uv.*opengeneva\[demo\]"):
        packages.ensure(tmp_path, install=True, say=lines.append)


def test_constraints_pin_what_is_installed():
    pins = packages.constraints([Requirement("Pillow>=10")])
    assert f"numpy=={metadata.version('numpy')}" in pins
    assert not [pin for pin in pins if pin.startswith(("pillow==", "opengeneva=="))]


def wheel(folder, version, requires=""):
    """Write a wheel of one module that knows its version."""
    name = f"geneva_test_absent-{version}"
    info = f"{name}.dist-info"
    about = f"Metadata-Version: 2.1\nName: geneva-test-absent\nVersion: {version}\n{requires}"
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "w") as archive:
        archive.writestr("geneva_test_absent.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", about)
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def pip(tmp_path_factory):
    """The pip of an environment made for this test; the one under test may have none."""
    place = tmp_path_factory.mktemp("pip")
    subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=100)
    python = place / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    return [str(python), "-m", "pip", "install", "--disable-pip-version-check"]


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A folder of wheels that is the only source of packages."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setattr(packages, "required", lambda: [ABSENT])
    return wheels


def test_missing_packages_go_last_on_the_path(monkeypatch, tmp_path, offline, pip, lines):
    wheel(offline, "1.5")
    monkeypatch.setattr(packages, "_installer", lambda: pip)
    folder = tmp_path / "demo" / ".packages"
    before = list(sys.path)

    packages.ensure(folder, install=True, say=lines.append)

    assert len(lines) == 1
    assert "geneva-test-absent>=1" in lines[0]
    place = folder / sys.implementation.cache_tag / "site-packages"
    assert sys.path == [*before, str(place)]
    assert importlib.import_module("geneva_test_absent").VERSION == "1.5"
    sys.modules.pop("geneva_test_absent")

    # A second run finds them and has nothing to say.
    monkeypatch.setattr(sys, "path", before)
    packages.ensure(folder, install=False, say=lines.append)
    assert len(lines) == 1


def test_a_package_that_needs_another_numpy_is_refused(monkeypatch, tmp_path, offline, pip, lines):
    wheel(offline, "1.5", requires="Requires-Dist: numpy<1\n")
    monkeypatch.setattr(packages, "_installer", lambda: pip)
    with pytest.raises(PackagesMissingError, match=r"failed: .*opengeneva\[demo\]"):
        packages.ensure(tmp_path / ".packages", install=True, say=lines.append)
