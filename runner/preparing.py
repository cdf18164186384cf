"""The conversation with a framework's prepare program: JSON in, JSON out, and what is stored of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from pydantic import TypeAdapter, ValidationError

from runner.errors import BadSpecError, HostError
from runner.frameworks.base import Prepared, PrepareRequest
from runner.transports.base import Finished

NOT_ITS_BUSINESS = {"turn", "hosts", "among"}
_PREPARED = TypeAdapter(Prepared)


def as_bytes(request: PrepareRequest) -> bytes:
    """The request as the program reads it from stdin; what the queue was asked, and on which hosts, is none of its business."""
    return json.dumps({**asdict(request), "spec": request.spec.model_dump(mode="json", exclude=NOT_ITS_BUSINESS)}).encode()


def read_answer(finished: Finished) -> Prepared:
    """What the program answered: BadSpecError in the framework's words made readable, HostError when it broke."""
    try:
        answer = json.loads(finished.stdout)
        if "error" in answer:
            where, sentence = answer["error"].get("where"), str(answer["error"]["sentence"])
            raise BadSpecError(f"{sentence.rstrip('.')} ({where})." if where else sentence)
        return prepared_from(answer)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = finished.stderr.decode("utf-8", "replace").strip().splitlines()
        last = said[-1] if said else f"no answer ({error})"
        raise HostError(f"Preparing ended with exit code {finished.exit_code}: {last}") from error


def prepared_from(value: Mapping[str, object]) -> Prepared:
    """From the plain values it is stored as. Raises ValueError when they are none."""
    try:
        return _PREPARED.validate_python(dict(value))
    except ValidationError as error:
        raise ValueError(str(error)) from error


def as_values(prepared: Prepared) -> dict[str, object]:
    """As the plain values it is stored as."""
    return asdict(prepared)
