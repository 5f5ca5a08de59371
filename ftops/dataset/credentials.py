"""The heuristic about secrets: keys and passwords, by the marks that their issuers give them.

Only marked forms are sought, since what is found must be worth a look: a password in prose is not found, nor is a key
without a mark. Detector libraries were considered: detect-secrets has had no release since 2024 and looks for
settings in source code, with entropy for all else; presidio needs a language model in memory.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftops.dataset.rule import Finding, content_rule
from ftops.dataset.sensitive import Pattern, findings, is_varied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftops.dataset.said import Said

_HOSTS_OF_EXAMPLES = re.compile(r"(?i)(?:^|\.)(?:example(?:\.(?:com|org|net))?|test|invalid|localhost)$")
_PLACEHOLDERS = frozenset(
    {"changeme", "pass", "passwd", "password", "postgres", "pw", "pwd", "root", "secret", "token", "yourpassword"}
)

_BASE64_LINE = re.compile(r"[A-Za-z0-9+/]{40}")


def _is_key(text: str) -> bool:
    """Whether a line of base64 stands below the heading of a key, and not prose or a placeholder."""
    return (line := _BASE64_LINE.search(text)) is not None and is_varied(line.group())


def _is_password(address: str) -> bool:
    """Whether an address such as `https://ada:…@host.org` has a password, and not a placeholder for one."""
    _, _, rest = address.partition("://")
    login, _, host = rest.rpartition("@")
    user, _, password = login.partition(":")
    if "." not in host or _HOSTS_OF_EXAMPLES.search(host) or password == user:
        return False
    return password.lower() not in _PLACEHOLDERS and len(set(password)) > 3  # noqa: PLR2004  # not `***` or `xxxx`


CREDENTIALS = (
    Pattern(
        "an OpenAI key",
        re.compile(r"\bsk-(?:[A-Za-z]+-)?[A-Za-z0-9_-]{20,80}T3BlbkFJ[A-Za-z0-9_-]{20,80}"),
        "gitleaks, `openai-api-key`",
        ("T3BlbkFJ",),
        is_varied,
    ),
    Pattern(
        "an Anthropic key",
        re.compile(r"\bsk-ant-[a-z]{3,5}\d\d-[A-Za-z0-9_-]{80,}"),
        "gitleaks, `anthropic-api-key`",
        ("sk-ant-",),
        is_varied,
    ),
    Pattern(
        "an AWS access key",
        re.compile(r"(?<![A-Za-z0-9/+])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9/+=])"),
        "gitleaks, `aws-access-token`",
        ("AKIA", "ASIA"),
        is_varied,
    ),
    Pattern(
        "a GitHub token",
        re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b"),
        "GitHub's changelog of 2021-03-31, authentication token formats",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        is_varied,
    ),
    Pattern(
        "a GitLab token",
        re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
        "gitleaks, `gitlab-pat`",
        ("glpat-",),
        is_varied,
    ),
    Pattern(
        "a Hugging Face token",
        re.compile(r"\bhf_[A-Za-z]{34}\b"),
        "gitleaks, `huggingface-access-token`",
        ("hf_",),
        is_varied,
    ),
    Pattern(
        "a Slack token",
        re.compile(r"\b(?:xox[abeoprs]-[0-9A-Za-z-]{20,}|xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]{32,})"),
        "gitleaks, `slack-bot-token` and its neighbours",
        ("xox", "xapp-"),
        is_varied,
    ),
    Pattern(
        "a Google API key",
        re.compile(r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
        "gitleaks, `gcp-api-key`",
        ("AIza",),
        is_varied,
    ),
    Pattern(
        "a Stripe key",
        re.compile(r"\b[sr]k_live_[A-Za-z0-9]{16,}"),
        "gitleaks, `stripe-access-token`",
        ("k_live_",),
        is_varied,
    ),
    Pattern(
        "a private key",
        # Up to the next five hyphens, or to what is no key any more: one that was cut is a secret too.
        re.compile(
            r"-----BEGIN (?:[A-Z]{2,10} ){0,2}PRIVATE KEY(?: BLOCK)?-----"
            r"[A-Za-z0-9+/=\s\\:,.]*+(?:-(?!----)[A-Za-z0-9+/=\s\\:,.]*+)*+(?:-----END [A-Z ]{1,40}-----)?"
        ),
        "RFC 7468, sections 10 and 11; OpenSSH's PROTOCOL.key",
        ("PRIVATE KEY",),
        _is_key,
    ),
    Pattern(
        "a JSON Web Token",
        re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),
        "RFC 7515, section 3.1: an object in base64url begins with `eyJ`",
        (".eyJ",),
        is_varied,
    ),
    Pattern(
        "a password in an address",
        re.compile(
            r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>{}$%\[\]]{1,80}:[^\s:/@\"'<>{}$%\[\]]{4,80}@[A-Za-z0-9.-]{1,200}"
        ),
        "RFC 3986, section 3.2.1",
        ("://",),
        _is_password,
    ),
)


@content_rule(
    "data-secret",
    clues=tuple(mark.encode() for pattern in CREDENTIALS for mark in pattern.marks if mark != "://"),  # see `forms`
    forms=("address",),
    threshold="the mark, the length and the alphabet of its issuer, and as varied as chance makes it",
    why="what a model has learnt, it can be made to say; who has the file has the key at once",
    fix="remove it from the data, and revoke it: it has been copied already",
)
def nothing_said_is_secret(said: tuple[Said, ...]) -> Iterator[Finding]:
    """No text holds a key, a token or a password."""
    return findings(CREDENTIALS, said)


CREDENTIAL_RULES = (nothing_said_is_secret,)
