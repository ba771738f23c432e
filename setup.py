"""Which packages are there, and how do the C files among them become shared objects?

The wheel holds every variant compiled, and all sources: a user's own file is compiled with the
same harness at run time.  It holds no Python extension, so it fits every Python of this platform.
"""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

from setuptools import find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py


def _load(path: Path) -> ModuleType:
    """Import one file alone: its package needs NumPy, a build does not have it."""
    spec = importlib.util.spec_from_file_location("_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildVariants(build_py):
    """Copy the files, then compile where they now are: what is shipped is enough to compile."""

    def run(self) -> None:
        if not self.editable_mode:
            # What an earlier build left there would be shipped with this one.
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        root = Path() if self.editable_mode else Path(self.build_lib)
        _load(root / "iova_variants" / "_build.py").compile_all()


class PlatformWheel(bdist_wheel):
    """Machine code, but no Python extension: any Python 3, this platform only."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


setup(
    packages=[*find_packages(include=["iova_lab*", "iova_variants*"]), "harness"],
    cmdclass={"build_py": BuildVariants, "bdist_wheel": PlatformWheel},
)
