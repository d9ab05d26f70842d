"""Who calls. The tenant comes from the credential; a header can only confirm it."""

from __future__ import annotations

import hashlib

from recsys.errors import RequestError
from recsys.service.http.calls import Call
from recsys.service.tenants import Identity, Tenant, World

API_KEY, ORG = b"x-api-key", b"x-org-id"
DEV_USER, DEV_ORG = b"x-dev-user-id", b"x-dev-org-id"
BROWSER = "browser"
DEV_ROLE = "admin"
MAX_CREDENTIAL = 512


def identify(call: Call, world: World, *, dev_auth: bool) -> Identity:
    """The caller; RequestError (401, 403) where there is no good credential, or the tenant is another."""
    keys = call.headers(API_KEY)
    if len(keys) > 1:  # a proxy may have looked at another one than we would
        raise RequestError(401, "RECSYS_AUTH_INVALID", f"found {len(keys)} headers X-API-Key, expected one")
    if keys:
        key = keys[0]
        found = None if len(key) > MAX_CREDENTIAL else world.keys.get(hashlib.sha256(key.encode()).hexdigest())
        if found is None:
            hint = "Make one with `recsys-service key create --tenant NAME`."
            raise RequestError(401, "RECSYS_AUTH_INVALID", "the API key is not known or was revoked", hint=hint)
    elif dev_auth and call.header(DEV_USER):
        org = call.header(DEV_ORG)
        if not org:
            raise RequestError(403, "RECSYS_TENANT_SCOPE_REQUIRED", "the tenant is missing", hint="Send X-Dev-Org-Id.")
        found = Identity(org, DEV_ROLE)
    else:
        raise RequestError(401, "RECSYS_AUTH_REQUIRED", "no credential was sent", hint="Send an API key in X-API-Key.")
    if any(org != found.tenant_id for org in call.headers(ORG)):
        raise RequestError(403, "RECSYS_TENANT_SCOPE_MISMATCH", "X-Org-Id names another tenant than the credential")
    return found


def require_server(identity: Identity) -> None:
    """RequestError (403) for a browser key: it may only write outcomes."""
    if identity.role == BROWSER:
        raise RequestError(403, "RECSYS_FORBIDDEN", "a browser key may only write outcomes")


def tenant_of(identity: Identity, world: World) -> Tenant:
    """The tenant to serve from; RequestError (404, 503) where there is none, or it is not loaded yet."""
    tenant = world.tenants.get(identity.tenant_id)
    if tenant is not None:
        return tenant
    if identity.tenant_id in world.expected:
        raise RequestError(503, "RECSYS_OVERLOADED", "the tenant's snapshot is not loaded yet", retry_after=1)
    hint = "Make it with `recsys-service tenant create NAME`."
    raise RequestError(404, "RECSYS_TENANT_NOT_FOUND", "there is no such tenant", hint=hint)
