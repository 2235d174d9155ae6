"""Who asks, in which role, and what that role may do. Roles come from the server; what is not listed is denied."""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from flask import Request
from werkzeug.security import check_password_hash

from geo.errors import ConfigError
from pipelines.policy import Policy, allows
from pipelines.policy_words import LOOPBACK_USER, ROLES, VIEWS
from pipelines.resources import data_path

KINDS: Final = ("none", "basic", "oidc", "proxy")
SHORTEST_KEY: Final = 32
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")

# Every callback of every page, by name, and the view that a role needs for it. A callback that is not here cannot be
# registered, and a request for one that is not here is refused. "" = whoever may open any page at all.
PERMISSIONS: Final[Mapping[str, str]] = {
    "shell.page": "",
    "explore.update": "explore",
    "explore.area": "explore",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who asks."""

    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """How people sign in. `users` maps a name to (hash of the password, role); `trusted` are the proxies' networks."""

    kind: str = "none"
    users: Mapping[str, tuple[str, str]] = None  # type: ignore[assignment]
    header: str = "X-Forwarded-User"
    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()


def from_environment(environ: Mapping[str, str] | None = None) -> Auth:
    """How people sign in, from UNMET_AUTH, UNMET_TRUSTED_PROXIES, UNMET_SECRET_KEY and the file UNMET_ACCESS.

    Raises:
        ConfigError: a kind that is none, a missing key, no proxy, or an access file that cannot be used.
    """
    told = os.environ if environ is None else environ
    kind = told.get("UNMET_AUTH", "none")
    if kind not in KINDS:
        raise ConfigError("UNMET_AUTH", [f"expected one of {', '.join(KINDS)}, got [{kind}]"])
    if kind == "none":
        return Auth(kind="none", users={})
    if kind == "oidc":
        raise ConfigError(
            "UNMET_AUTH",
            [
                "oidc: expected a proxy that signs people in, got none; set UNMET_AUTH=proxy "
                "behind one (oauth2-proxy, Apache mod_auth_openidc)"
            ],
        )
    faults = []
    if len(told.get("UNMET_SECRET_KEY", "").encode()) < SHORTEST_KEY:
        faults.append(f"UNMET_SECRET_KEY: expected at least {SHORTEST_KEY} bytes, got fewer")
    trusted = _networks(told.get("UNMET_TRUSTED_PROXIES", ""), faults) if kind == "proxy" else ()
    if kind == "proxy" and not trusted and not faults:
        faults.append("UNMET_TRUSTED_PROXIES: expected the proxy's addresses, got nothing")
    users, header = _access(Path(told.get("UNMET_ACCESS") or data_path("access.toml")), faults)
    if faults:
        raise ConfigError("sign-in", faults)
    return Auth(kind=kind, users=users, header=header, trusted=trusted)


def who(request: Request, auth: Auth, policy: Policy) -> User | None:
    """The user of a request, None where nobody is signed in or a proxy is not to be trusted."""
    if auth.kind == "none":
        return User(name=LOOPBACK_USER, role=policy.loopback_role)
    if auth.kind == "basic":
        given = request.authorization
        if given is None or given.type != "basic" or str(given.username) not in auth.users:
            return None
        known = auth.users[str(given.username)]
        if not known[0] or not check_password_hash(known[0], given.password or ""):
            return None
        return User(name=str(given.username), role=known[1])
    if not _is_trusted(request.remote_addr or "", auth):
        return None
    name = request.headers.get(auth.header, "")
    return User(name=name, role=auth.users[name][1]) if name in auth.users else None


def may(policy: Policy, user: User, view: str) -> bool:
    """Whether a user may open a view under the policy in force."""
    return bool(allows(policy, role=user.role, purpose=purpose(policy, user, view), view=view, who=user.name))


def may_export(policy: Policy, user: User, view: str) -> bool:
    """Whether a user may take away what a view shows."""
    return bool(
        allows(policy, role=user.role, purpose=purpose(policy, user, view), view=view, export=True, who=user.name)
    )


def purpose(policy: Policy, user: User, view: str) -> str:
    """What a view is opened for: its own purpose, or the first of the role."""
    known = policy.role(user.role)
    return (VIEWS[view].purpose if view in VIEWS else "") or (known.purposes[0] if known and known.purposes else "")


def may_call(policy: Policy, user: User, callback: str) -> bool:
    """Whether a user may run a callback; False for one that the table does not list."""
    if callback not in PERMISSIONS:
        return False
    view = PERMISSIONS[callback]
    return may(policy, user, view) if view else any(may(policy, user, name) for name in VIEWS)


def _is_trusted(address: str, auth: Auth) -> bool:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(known in network for network in auth.trusted)


def _networks(said: str, faults: list[str]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    out = []
    for one in filter(None, (part.strip() for part in said.split(","))):
        try:
            out.append(ipaddress.ip_network(one))
        except ValueError:
            faults.append(f"UNMET_TRUSTED_PROXIES: expected addresses or networks, got [{one[:60]}]")
    return tuple(out)


def _access(path: Path, faults: list[str]) -> tuple[dict[str, tuple[str, str]], str]:
    """Users of an access file: `[users.NAME] role = …, password_hash = …` (werkzeug's), and `header` for a proxy."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
        users = {
            str(name): (str(one.get("password_hash", "")), str(one["role"])) for name, one in told["users"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        faults.append(f"{path.name}: expected users with a role, got [{type(error).__name__}]; see docs/dashboard.md")
        return {}, ""
    faults += [
        f"{path.name}: users.{name}.role: expected one of {', '.join(ROLES)}, got [{role[:40]}]"
        for name, (_, role) in users.items()
        if role not in ROLES
    ]
    return users, str(told.get("header", "X-Forwarded-User"))
