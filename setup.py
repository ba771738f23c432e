"""Which packages are there, and how do the C files among them become shared objects?

The wheel holds every variant compiled, and all sources: a user's own file is compiled with the
same harness at run time.  It holds no Python extension, so it fits every Python of this platform.
"""

import atexit
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from setuptools import Distribution, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py


def _load(path: Path) -> ModuleType:
    """Import one file alone: its package needs NumPy, a build does not have it.

    What it imports of iova_lab needs the standard library only.
    """
    sys.path.insert(0, str(path.resolve().parent.parent))
    spec = importlib.util.spec_from_file_location("building", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compile(build: ModuleType) -> None:
    """Compile all variants; one that does not compile takes no other with it.

    It stays in the package as source: who loads it, a benchmark's cell for instance, compiles it
    again and gets the compiler's message.
    """
    try:
        build.compile_all()
        return
    except build.BuildError:
        pass  # it has stopped at the first one
    for source in build.variant_sources():
        try:
            for kind in ("timed", "counted"):
                build.compile_variant(source, kind)
        except build.BuildError as error:
            print(f"warning: left out: {error}", file=sys.stderr)
    if not any(build.BUILT_DIR.glob("*/*.so")):
        raise SystemExit("no variant compiles; the messages above say why")


class BuildVariants(build_py):
    """Copy the files, then compile where they now are: what is shipped is enough to compile."""

    def run(self) -> None:
        super().run()
        root = Path() if self.editable_mode else Path(self.build_lib)
        _compile(_load(root / "iova_variants" / "building.py"))


class PlatformDistribution(Distribution):
    """What is built holds machine code, although no Python extension is declared."""

    def has_ext_modules(self) -> bool:
        return True


class PlatformWheel(bdist_wheel):
    """Any Python 3, this platform only."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


def _build_folder() -> str:
    """An empty folder of this process's own, removed when it ends.

    A folder that outlives a build ships what an earlier build left there, and one that two builds
    share is changed by one while the other reads it.
    """
    folder = tempfile.mkdtemp(prefix="iova-lab-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


setup(
    options={"build": {"build_base": _build_folder()}},
    packages=[*find_packages(include=["iova_lab*", "iova_variants*"]), "harness"],
    cmdclass={"build_py": BuildVariants, "bdist_wheel": PlatformWheel},
    distclass=PlatformDistribution,
)
