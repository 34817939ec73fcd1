"""No secret that the API is told, or tells, ever stands in a log or in the audit log."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from phage.telemetry.logs import JsonFormatter, TextFormatter
from phage.testing.apilab import PASSWORD

if TYPE_CHECKING:
    import pytest

    from phage.testing.apilab import ApiLab


def test_secrets_are_never_logged(lab: ApiLab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = {PASSWORD, "wrong but secret", "a new good password", "chat-secret-0815"}
    browser = lab.browser("admin")
    secrets |= {*browser.cookies.values(), browser.headers["X-CSRF-Token"]}
    nobody = lab.nobody()
    nobody.post("/api/v1/session", json={"user": "admin", "password": "wrong but secret"})
    nobody.get("/api/v1/findings", headers={"Authorization": "Bearer wrong but secret"})
    nobody.get("/api/v1/findings", headers={"X-Api-Key": "wrong but secret"})
    made = browser.post("/api/v1/tokens", json={"name": "t", "scopes": ["findings:read"]}).json()
    token = made["secret"]
    secrets.add(token)
    nobody.get("/api/v1/findings", headers={"Authorization": f"Bearer {token}"})
    link = lab.access.users.make_link("viewer")
    secrets.add(link)
    nobody.get(f"/welcome?link={link}")
    value = {"ops": {"type": "webhook", "settings": {"url": "https://chat-secret-0815@h/"}}}
    changed = browser.put("/api/v1/config/keys/notify", json={"value": value})
    assert changed.status_code == 200
    said = [
        form.format(record)
        for form in (TextFormatter(), JsonFormatter())
        for record in caplog.records
        if record.name.startswith(("phage", "uvicorn", "fastapi", "starlette"))
    ]
    said += [json.dumps(each) for each in browser.get("/api/v1/audit").json()["items"]]
    assert any("tokens" in each for each in said)
    assert [(secret, each) for each in said for secret in secrets if secret in each] == []
