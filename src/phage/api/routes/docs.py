"""The description of the API as a page: plain HTML, without a script or anything from elsewhere."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from phage.api.security import Public

router = APIRouter(include_in_schema=False, dependencies=[Depends(Public())])

_METHODS = ("get", "post", "put", "patch", "delete")


@router.get("/api/docs")
def docs(request: Request) -> HTMLResponse:
    """Show the description of the API to people."""
    described: dict[str, Any] = request.app.openapi()
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>phage: API</title></head><body><main><h1>phage: API</h1>",
        f"<p>{escape(described['info']['description'])}</p>",
        '<p><a href="/api/openapi.json">OpenAPI description</a></p>',
    ]
    for path, operations in sorted(described["paths"].items()):
        parts += [
            _operation(path, method, operations[method])
            for method in _METHODS
            if method in operations
        ]
    parts.append("<h2>Shapes</h2>")
    for name, schema in sorted(described["components"]["schemas"].items()):
        parts.append(_shape(name, schema))
    parts.append("</main></body></html>")
    return HTMLResponse("".join(parts))


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    need = operation.get("x-permission", "")
    rows = [
        f"<tr><td><code>{escape(each['name'])}</code> ({escape(each['in'])})</td>"
        f"<td>{escape(each.get('description', ''))}</td></tr>"
        for each in operation.get("parameters", ())
    ]
    rows += [
        f"<tr><td>body</td><td>{_kind(content.get('schema', {}))}</td></tr>"
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    for status, answer in sorted(operation["responses"].items()):
        kinds = [_kind(each.get("schema", {})) for each in answer.get("content", {}).values()]
        text = escape(answer.get("description", ""))
        rows.append(f"<tr><td>{escape(status)}</td><td>{text} {' '.join(kinds)}</td></tr>")
    return (
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(operation.get('description', ''))}</p>"
        f"<p>{'Needs <code>' + escape(need) + '</code>.' if need else 'Open to all.'}</p>"
        f"<table>{''.join(rows)}</table></section>"
    )


def _kind(schema: dict[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name:
        return f'<a href="#{escape(name)}">{escape(name)}</a>'
    if "items" in schema:
        return f"list of {_kind(schema['items'])}"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    return escape(str(schema.get("type", "")))


def _shape(name: str, schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(key)}</code></td><td>{_kind(each)}</td>"
        f"<td>{escape(each.get('description', ''))}</td></tr>"
        for key, each in schema.get("properties", {}).items()
    )
    values = escape(json.dumps(schema["enum"])) if "enum" in schema else ""
    heading = f'<h3 id="{escape(name)}">{escape(name)}</h3>'
    return f"<section>{heading}{values}<table>{rows}</table></section>"
