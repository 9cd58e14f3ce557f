"""Loads chosen modules of an unpacked package, and gives them stand-ins for everything else they import.

Owns the import hook. A module that was chosen is run as it was released. Every other module of the package, and every
library that is not installed here (torch and the like), becomes a stand-in: its names can be called, subclassed, indexed and used
as decorators, and mean nothing. So a chosen module's own definitions are real, and what it borrows from elsewhere is not.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from pathlib import Path

# What the metric modules use by itself. These are the real libraries.
INSTALLED = set(
    """
    fastapi httpx msgspec numpy prometheus_client prometheus_fastapi_instrumentator pydantic
    pydantic_core regex starlette typing_extensions
    """.split()
)
# Libraries that engines import and that are not needed for a metric.
LIBRARIES = set(
    """
    aiohttp cachetools cbor2 cloudpickle compressed_tensors decord dill einops filelock flashinfer
    gguf huggingface_hub IPython jinja2 mistral_common openai orjson packaging PIL psutil pybase64
    ray requests safetensors setproctitle sgl_kernel torch torchvision tqdm transformers triton
    uvloop xgrammar xxhash yaml zmq
    """.split()
)


class _Anything(type):
    """A class that has every attribute, and takes part in every expression a module's top level may hold."""

    def __getattr__(cls, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _named(name)

    def __call__(cls, *args, **kwargs):
        # Used as a decorator: leave what it decorates as it is.
        if len(args) == 1 and not kwargs and (isinstance(args[0], type) or isinstance(args[0], types.FunctionType)):
            return args[0]
        return super().__call__()

    def __getitem__(cls, _):
        return cls

    def __or__(cls, _):
        return cls

    __ror__ = __or__

    def __iter__(cls):
        return iter(())

    def __bool__(cls):
        return False


class Anything(metaclass=_Anything):
    """An object of which everything can be asked."""

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return _named(name)()

    def __call__(self, *args, **kwargs):
        if len(args) == 1 and not kwargs and (isinstance(args[0], type) or isinstance(args[0], types.FunctionType)):
            return args[0]
        return Anything()

    def __getitem__(self, _):
        return Anything()

    def __iter__(self):
        return iter(())

    def __bool__(self):
        return False


def _named(name):
    return _Anything(name, (Anything,), {"__module__": "stand_in"})


class _Module(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        value = _named(name)
        setattr(self, name, value)
        return value


class Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers imports of `package` and of the libraries above."""

    def __init__(self, root: Path, package: str, chosen: set[str], values: dict):
        self.root, self.package, self.chosen, self.values = root, package, chosen, values
        self.ran: list[str] = []

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top == self.package:
            if name in self.chosen and (file := self._file(name)):
                self.ran.append(name)
                places = [str(file.parent)] if file.name == "__init__.py" else None
                return importlib.util.spec_from_file_location(name, file, submodule_search_locations=places)
        elif top in INSTALLED or top not in LIBRARIES:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def _file(self, name):
        base = self.root.joinpath(*name.split("."))
        return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)

    def create_module(self, spec):
        return _Module(spec.name)

    def exec_module(self, module):
        for name, value in self.values.get(module.__name__, {}).items():
            setattr(module, name, value)


def install(root: Path, package: str, chosen: set[str], values: dict) -> Hook:
    """From here on `import` of `package` gives the modules that were chosen as they are in `root`, and stand-ins for all others.

    `values` says what is to be found in a stand-in, by module and name.
    """
    hook = Hook(root, package, chosen, values)
    sys.meta_path.insert(0, hook)
    return hook
