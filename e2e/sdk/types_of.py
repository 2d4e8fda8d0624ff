"""Holds an answer against one of the SDK's own types (TypedDict), as strictly as they say."""

import types
import typing

from typing_extensions import NotRequired, Required, get_origin, is_typeddict


def mistakes(value, expected, path="$"):
    """Returns what is wrong with `value` as an `expected`; empty when it conforms."""
    if expected is typing.Any or expected is object:
        return []
    if is_typeddict(expected):
        return _object(value, expected, path)
    origin = get_origin(expected)
    if origin in (Required, NotRequired):
        return mistakes(value, typing.get_args(expected)[0], path)
    if origin is typing.Literal:
        allowed = typing.get_args(expected)
        return [] if value in allowed else [f"{path}: {value!r} is none of {allowed}"]
    if origin in (typing.Union, types.UnionType):
        branches = [mistakes(value, branch, path) for branch in typing.get_args(expected)]
        return [] if any(not branch for branch in branches) else min(branches, key=len)
    if origin is list:
        if not isinstance(value, list):
            return [f"{path}: {value!r} is no list"]
        (item,) = typing.get_args(expected)
        return [m for i, one in enumerate(value) for m in mistakes(one, item, f"{path}[{i}]")]
    if origin is dict:
        return [] if isinstance(value, dict) else [f"{path}: {value!r} is no object"]
    if expected is None or expected is type(None):
        return [] if value is None else [f"{path}: {value!r} is not null"]
    # bool is an int to Python, and not to JSON.
    fits = isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
    return [] if fits else [f"{path}: {value!r} is no {expected.__name__}"]


def _object(value, expected, path):
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no object"]
    found = []
    for key, hint in typing.get_type_hints(expected, include_extras=True).items():
        # `from __future__ import annotations` hides the markers from `__required_keys__`.
        required = get_origin(hint) is Required or (
            expected.__total__ and get_origin(hint) is not NotRequired
        )
        if key in value:
            found += mistakes(value[key], hint, f"{path}.{key}")
        elif required:
            found.append(f"{path}.{key} is missing")
    return found
