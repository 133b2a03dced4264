"""Finding the service that ``package.module:attribute`` names."""

from __future__ import annotations

import importlib
import sys
import traceback
from typing import Any

from atoll.serve.failure import CannotServe
from atoll.service import Service


def load_service(target: str) -> Service:
    """The `Service` that ``target`` names; CannotServe says in one line why there is none."""
    found = load(target)
    if not isinstance(found, Service):
        raise CannotServe(f"{target} is of type {type(found).__name__}, not an atoll.service.Service")
    return found


def load(target: str) -> Any:
    """The object that ``package.module:attribute`` names."""
    module_name, colon, attribute = target.partition(":")
    if not (module_name and colon and attribute):
        raise CannotServe(f"{target!r} is not like package.module:attribute, shop_orders:service for example")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise CannotServe(f"there is no module {error.name!r}; is its folder on PYTHONPATH?") from None
        raise CannotServe(f"{module_name} needs the module {error.name!r}, which is not installed") from None
    except Exception as error:  # the user's code may fail in any way while it is imported
        raise CannotServe(
            f"{module_name} cannot be imported: {_where(error)}{type(error).__name__}: {error}"
        ) from error
    if not hasattr(module, attribute):
        raise CannotServe(f"{module_name} has no attribute {attribute!r}")
    return getattr(module, attribute)


def _where(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and "/atoll/" not in frame.filename]
    last = (own or list(frames))[-1]
    return f"{last.filename}:{last.lineno}: "
