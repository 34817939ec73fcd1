"""Names of services: what of a name stands for who runs it.

A maker's names change below the domain that he registered ("czfe40-front01.home.nest.com"), so a
profile keeps the registered domain. Below a shared cloud's domain every name may be somebody
else's: there the whole name is kept, without the numbers that tell one machine of a pool.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Second-level labels under which countries register names: with one of these the registered name
# has three labels. The public suffix list is larger than all detectors together; what it would add
# here is that two customers of one hosting service are told apart, which `SHARED` does.
_REGISTRY_LABELS = frozenset(
    {
        "ac",
        "co",
        "com",
        "edu",
        "gob",
        "gov",
        "gv",
        "go",
        "id",
        "mil",
        "ne",
        "net",
        "nom",
        "or",
        "org",
        "sch",
    }
)

SHARED = frozenset({
    "akadns.net", "akamai.net", "akamaiedge.net", "akamaihd.net", "akamaized.net",
    "alibabacloud.com", "aliyuncs.com", "aliyun.com", "amazonaws.com", "amazonaws.com.cn",
    "appspot.com", "azure.com", "azure-devices.net", "azureedge.net", "azurefd.net",
    "azurewebsites.net", "b-cdn.net", "backblazeb2.com", "cdn77.org", "cloudapp.net",
    "cloudflare.com", "cloudflare.net", "cloudfront.net", "cloudfunctions.net", "core.windows.net",
    "ddns.net", "digitaloceanspaces.com", "dyndns.org", "edgekey.net", "edgesuite.net",
    "fastly.net", "fastlylb.net", "firebaseio.com", "github.io",
    "githubusercontent.com", "googleapis.com", "googleusercontent.com", "gvt1.com", "herokuapp.com",
    "hwcdn.net", "linodeusercontent.com", "llnwd.net", "lumen.com", "myhuaweicloud.com",
    "netlify.app", "ngrok.io", "no-ip.org", "ondigitalocean.app", "oraclecloud.com", "ovh.net",
    "pages.dev", "quickconnect.to", "r2.dev", "rackcdn.com", "run.app", "scaleway.com",
    "stackpathdns.com", "telegram.org", "trafficmanager.net", "tuyacn.com", "tuyaeu.com",
    "tuyaus.com", "vercel.app", "wasabisys.com", "windows.net", "workers.dev",
    "your-server.de",
})  # fmt: skip
"""Domains below which names belong to many: clouds, content networks, dynamic DNS, platforms."""

_NUMBER = re.compile(r"\d+")


@lru_cache(maxsize=8192)
def registered_domain(name: str) -> str:
    """Return the last two labels of a name, three under a country's registry ("co.uk").

    An approximation: see the note at the top of this module.
    """
    labels = name.rstrip(".").split(".")
    if len(labels) <= 2:
        return ".".join(labels)
    top, second = labels[-1], labels[-2]
    depth = 3 if len(top) == 2 and (second in _REGISTRY_LABELS or len(second) <= 2) else 2
    return ".".join(labels[-depth:])


@lru_cache(maxsize=8192)
def service_name(name: str) -> str:
    """Return what of a name stands for who runs it: the registered domain, or all on a cloud."""
    name = name.rstrip(".").casefold()
    domain = registered_domain(name)
    if domain not in SHARED:
        return domain
    first, dot, rest = name.removesuffix(domain).rstrip(".").partition(".")
    # Hashes name one customer's own host; plain words with a number name one of a pool.
    label = _NUMBER.sub("#", first) if len(first) <= 8 else first
    rest = _NUMBER.sub("#", rest)
    return ".".join(part for part in (label, rest if dot else "", domain) if part)
