"""What a secret looks like: the rules of `corpus.secrets`.

Three families: tokens of a known prefix and shape; secrets known by where they stand (in a URL, behind
"Bearer"); and random literals given to a telling name (`api_key = "..."`), which is where false alarms come
from - so those must be long, mixed, and none of what names, paths, templates and checksums look like.
Adding a token is one line in `TOKENS`, and one in tests/test_secrets.py.

Every expression is tried at an anchor only, starts at a boundary and has bounded quantifiers: linear time.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

# A token starts after something that is not a letter or digit, after `\n` in a string, or after `%3D` in a URL.
_START = rb"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))"
_END = rb"(?![A-Za-z0-9])"
_WORD = "[A-Za-z0-9_-]"  # base64url

# Documentation's own: AKIAIOSFODNN7EXAMPLE, and what `redact` itself leaves behind.
_PLACEHOLDER = re.compile(rb"(?i)example|x{5}|\*{3}|redacted|1234567890|abcdefghij")
MIN_DISTINCT = 6  # letters and digits: the rarest rule draws 16 of 32 symbols


def is_varied(match: re.Match[bytes]) -> bool:
    """Whether the group "secret" can be a random string and not a placeholder."""
    secret = match["secret"]
    return len(set(secret) & _ALPHANUMERIC) >= MIN_DISTINCT and not _PLACEHOLDER.search(secret)


_ALPHANUMERIC = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` is tried where an anchor (3 or 4 bytes, any case) stands; group "secret" is redacted if accepted."""

    name: str
    anchors: frozenset[bytes]
    pattern: re.Pattern[bytes]
    accepts: Callable[[re.Match[bytes]], bool] = is_varied


def _token(name: str, prefixes: str, body: str) -> Rule:
    """A token of known shape: one of `prefixes` (separated by spaces), then a match of `body`, the secret."""
    literals = [prefix.encode() for prefix in prefixes.split()]
    heads = b"|".join(re.escape(literal) for literal in literals)
    pattern = _START + rb"(?:" + heads + rb")(?P<secret>" + body.encode() + rb")" + _END
    return Rule(name, frozenset(literal[:4] for literal in literals), re.compile(pattern))


TOKENS = (
    _token("AWS access key id", "AKIA ASIA ABIA ACCA", "[A-Z2-7]{16}"),
    _token("Google API key", "AIza", f"{_WORD}{{35}}"),
    _token("Google OAuth token", "ya29. GOCSPX-", f"{_WORD}{{24,512}}+"),
    _token("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", "[A-Za-z0-9]{36,255}+"),
    _token("GitHub token", "github_pat_", "[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _token(
        "GitLab token",
        "glpat- glptt- gldt- glrt- glcbt- glsoat- glft- glagent-",
        rf"{_WORD}{{20,300}}+(?:\.\w{{2}}\.\w{{7,9}}+)?",
    ),
    _token("Slack token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxe- xoxe. xapp-", "[A-Za-z0-9.-]{20,255}+"),
    _token(
        "Slack webhook", "hooks.slack.com/services/", "T[A-Z0-9]{6,14}/B[A-Z0-9]{6,14}/[A-Za-z0-9]{18,32}+"
    ),
    _token(
        "Discord webhook",
        "discord.com/api/webhooks/ discordapp.com/api/webhooks/",
        f"[0-9]{{15,21}}/{_WORD}{{60,80}}+",
    ),
    _token("Stripe key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", "[A-Za-z0-9]{16,255}+"),
    _token("Twilio key", " ".join(f"SK{digit:x}" for digit in range(16)), "[0-9a-f]{31}"),
    _token("SendGrid key", "SG.", rf"{_WORD}{{22}}\.{_WORD}{{43}}"),
    _token("Mailgun key", "key-", "[0-9a-f]{32}"),
    _token("npm token", "npm_", "[A-Za-z0-9]{36}"),
    _token("PyPI token", "pypi-AgE", f"{_WORD}{{50,512}}+"),
    _token("crates.io token", "cio", "[A-Za-z0-9]{32}"),
    _token("RubyGems key", "rubygems_", "[0-9a-f]{48}"),
    _token("Docker token", "dckr_pat_ dckr_oat_", f"{_WORD}{{27,64}}+"),
    _token("Hugging Face token", "hf_ api_org_", "[A-Za-z0-9]{34}"),
    _token("Anthropic key", "sk-ant-", f"{_WORD}{{40,255}}+"),
    _token("OpenAI key", "sk-proj- sk-svcacct- sk-admin- sk-or-v1-", f"{_WORD}{{40,255}}+"),
    _token("OpenAI key", "sk-", "[A-Za-z0-9]{48}"),
    _token("Groq key", "gsk_", "[A-Za-z0-9]{40,64}+"),
    _token("Replicate token", "r8_", "[A-Za-z0-9]{37}"),
    _token("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", "[0-9a-f]{64}"),
    _token("Shopify token", "shpat_ shpca_ shppa_ shpss_", "[0-9a-fA-F]{32}"),
    _token("Square token", "sq0atp- sq0csp- sq0idp-", f"{_WORD}{{22,43}}+"),
    _token("Databricks token", "dapi", "[0-9a-f]{32}(?:-[0-9])?"),
    _token("Grafana token", "glsa_ glc_", "[A-Za-z0-9_+/]{32,255}+={0,2}"),
    _token("Vault token", "hvs. hvb. hvr.", f"{_WORD}{{24,255}}+"),
    _token("Linear key", "lin_api_", "[A-Za-z0-9]{40}"),
    _token("Notion token", "ntn_ secret_", "[A-Za-z0-9]{43,50}+"),
    _token("New Relic key", "NRAK-", "[A-Z0-9]{27}"),
    _token("Postman key", "PMAK-", "[0-9a-f]{24}-[0-9a-f]{34}"),
    _token("Sentry token", "sntrys_ sntryu_", "[A-Za-z0-9_+/]{40,512}+={0,2}"),
    _token("Atlassian token", "ATATT3", "[A-Za-z0-9_=-]{60,255}+"),
    _token("age secret key", "AGE-SECRET-KEY-1", "[A-Z0-9]{58}"),
    _token("Azure storage key", "AccountKey=", "[A-Za-z0-9+/]{86}=="),
    _token("Azure access key", "SharedAccessKey=", "[A-Za-z0-9+/]{43}="),
    _token("JSON Web Token", "eyJ", rf"{_WORD}{{10,4096}}+\.eyJ{_WORD}{{10,8192}}+\.{_WORD}{{16,2048}}+"),
)

# ---------------------------------------------------------------- secrets known by where they stand


def _is_password(match: re.Match[bytes]) -> bool:
    """In a URL: anything but a variable and the words documentation uses."""
    secret = match["secret"]
    return not _URL_PLACEHOLDER.fullmatch(secret)


def _is_basic_login(match: re.Match[bytes]) -> bool:
    """Base64 of "user:password"."""
    try:
        login = base64.b64decode(match["secret"], validate=True)
    except binascii.Error:
        return False
    return b":" in login and login.isascii() and login.decode("ascii").isprintable()


_URL_PLACEHOLDER = re.compile(
    rb"(?i)[$%][({]?[a-z_]+[)}]?s?|\*+|x+|(?:my|your|the|a|some|db|user|test)?[_-]?"
    rb"(?:pass|passwd|password|passphrase|pw|pwd|secret|token|key|port|[0-9]{1,5})[0-9]?"
)

PLACED = (
    Rule(
        "password in a URL",
        frozenset({b"://"}),
        re.compile(
            rb"(?<=[A-Za-z0-9])://[^\s:/?#@\"'`<>(){}\[\]\\]{0,64}+"
            rb":(?P<secret>[^\s:/?#\"'`<>(){}\[\]\\]{3,128})@[A-Za-z0-9\[$%_{-]"
        ),
        _is_password,
    ),
    Rule(
        "bearer token",
        frozenset({b"bear"}),
        re.compile(rb"(?i:bearer)[ ]{1,2}(?P<secret>[\w.~+/-]{20,1024}+={0,2})(?!\w)"),
        lambda match: is_varied(match) and _is_random(match["secret"]),
    ),
    Rule(
        "basic authorization",
        frozenset({b"basi"}),
        re.compile(rb"(?i:basic)[ ]{1,2}(?P<secret>[A-Za-z0-9+/]{8,512}+={0,2})(?!\w)"),
        _is_basic_login,
    ),
    Rule(
        "AWS secret key",
        frozenset({b"AKIA", b"ASIA"}),
        re.compile(rb"A[KS]IA[A-Z2-7]{16}[^\w+/=]{1,16}(?P<secret>[A-Za-z0-9+/]{40})(?![\w+/=])"),
    ),
    Rule(
        "Telegram token",
        frozenset({b":AA"}),
        re.compile(rb"(?<=[0-9]{8}):(?P<secret>AA[\w-]{33})(?![\w-])"),
    ),
    Rule(
        "Azure client secret",
        frozenset({b"7Q~", b"8Q~"}),
        re.compile(rb"(?<=[\w~.-]{3})[78]Q~(?P<secret>[\w~.-]{31,34}+)(?![\w~.-])"),
    ),
)

# ---------------------------------------------------------------- literals given to a telling name

# What may stand between name and literal:  password = "…"  "password": "…"  password: &str = "…"
# const password string = "…"  password := "…"  ["password"] = "…"  setPassword("…")  put("password", "…")
# 'password' => '…'  export PASSWORD=…  --password …  password: …  \"password\": \"…\"  String::from("…")
_ASSIGNMENT = re.compile(
    rb"(?:(?i:pass(?:wor[dt]|wd|phrase|code|key)|pwd|secret|token|key|credential)s?+|(?<![a-z])(?i:pass))"
    rb"(?:(?<=[a-z])(?![a-z])|(?<=[A-Z])(?![A-Za-z]))"  # not `tokenizer`, not `PASSIVE`
    rb"(?P<rest>[\w.-]{0,40}+)(?:\\?[\"'`])?+\]?+"
    rb"(?:(?::[ \t]{0,2}|[ \t]{1,4})[&*]?+(?:'static )?+[A-Za-z][\w.<>&\[\]]{0,30}+[ \t]{1,4}(?==))?+"  # a type
    rb"(?P<operator>[ \t]{0,16}+(?:(?:=>|:=|==|!=|[=:(])(?:[ \t]{0,4}\(?\s{0,40}(?=[\"'`]))?+|,)[ \t]{0,16}+|[ \t])"
    rb"(?:[A-Za-z_\[\]:.]{1,24}+\()?+(?:[rRbBuUfF@$]{1,2}(?=[\"'`]))?+"
    rb"(?:\\?(?P<quote>[\"'`])(?P<quoted>[^\s\"'`\\]{8,256}+)\\?(?P=quote)"
    rb"|(?P<bare>[A-Za-z0-9+/_=~.!@#$%^&?-]{12,256}+)(?=[\s;\"']|$))"
)
_KEY_OWNERS = tuple(
    b"access account admin api app auth client consumer crypt encrypt encryption hmac jwt license master private "
    b"secret service session shared sign signing storage webhook".split()
)
_HARMLESS_NAME = re.compile(
    rb"(?i)hash|digest|sha[0-9]|md5|checksum|public|finger|pattern|regex|format|field|name|path|file|url|error|msg"
)
_HARMLESS_VALUE = re.compile(
    b"(?i)"
    + b"|".join(
        (
            rb"^\$|^<|\{[^{}]*\}|%\([a-z_]+\)|%s(?![A-Za-z0-9])|\[-?[0-9]+\]",  # a variable, a template
            rb"passw|secret|token|your|sample|dummy|change.?me|placeholder",  # words of documentation
            rb"[01]23456|abcdef|00010203|deadbeef|qwerty|\.\.\.",  # typed, not drawn
            rb"^[a-z][a-z0-9+.-]{1,20}://|^urn:|^[.~]|^/(?-i:[a-z_])",  # an address, a path
            rb"^0x[0-9a-f]*$|^[0-9]{4}-[0-9]{2}-[0-9]{2}T",  # a number, a time
            rb"(?-i:[a-z_-]Key|[_-]key|HMAC|SHA[0-9]|AES[0-9]|PBKDF|MD5)",  # the name of a key or an algorithm
        )
    )
)
_MIN_PASSWORD_BYTES = 10
_MIN_SECRET_BYTES = 16
_MIN_HEX_BYTES = 24
_HEX = re.compile(rb"[0-9a-f]+|[0-9A-F]+")
_ATTRIBUTES = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_SEPARATORS = re.compile(rb"[_./:=\s-]+")
_RUNS = re.compile(rb"[A-Z]+[a-z]*|[a-z]+|[0-9]+|[^A-Za-z0-9]+")


def _is_random(value: bytes) -> bool:
    """Whether letters, digits and symbols alternate inside the words of `value` as chance would have it.

    Names (`user_id_2`, `parseHTML5`) change between letters and digits at most once or twice in a word; a
    random string of base 36 does so every 2.5 characters, of base 64 every 2.2.
    """
    num_changes = sum(len(_RUNS.findall(part)) - 1 for part in _SEPARATORS.split(value) if part)
    return num_changes >= max(2, len(value) // 8)


def _is_assigned_secret(match: re.Match[bytes]) -> bool:
    """A random literal given to a name that tells of a secret; a bare word must be random beyond doubt."""
    value, stem = match[match.lastgroup], match[0][:3].lower()
    if not _is_secret_name(match) or (match["quote"] is None and not _is_bare_value(match)):
        return False
    if len(set(value) & _ALPHANUMERIC) < MIN_DISTINCT or not _is_random(value):
        return False
    if _PLACEHOLDER.search(value) or _HARMLESS_VALUE.search(value):
        return False
    return _is_key_material(value) or (stem in (b"pas", b"pwd") and _is_strong_password(value))


def _is_secret_name(match: re.Match[bytes]) -> bool:
    """`api_key`, not `key`; not `token_hash`; and with nothing but a space before the value only `--token`."""
    before = match.string[max(0, match.start() - 24) : match.start()].lower()
    first = re.split(rb"[^\w.-]", before)[-1]
    if match[0][:3].lower() == b"key" and not first.rstrip(b"_-.").endswith(_KEY_OWNERS):
        return False
    if not match["operator"].strip() and not first.startswith(b"-"):
        return False
    return not _HARMLESS_NAME.search(first + match["rest"])


def _is_bare_value(match: re.Match[bytes]) -> bool:
    """Without quotes only in settings: `KEY=value`, `key: value`; with `;` or a quote behind `Password=value;`."""
    behind = match.string[match.end() : match.end() + 1]
    if behind in (b";", b'"', b"'"):
        return match["operator"] == b"="
    if match[0][:5].lower() == b"pass:":  # a line of a test log
        return False
    return match["operator"].strip() in (b"=", b":", b":=", b"")


def _is_key_material(value: bytes) -> bool:
    """Long enough, and not a short checksum, a chain of attributes or words in camel case."""
    if len(value) < (_MIN_HEX_BYTES if _HEX.fullmatch(value) else _MIN_SECRET_BYTES):
        return False
    has_both = re.search(rb"[0-9]", value) and re.search(rb"[A-Za-z]", value)
    return bool(has_both) and not _ATTRIBUTES.fullmatch(value)


def _is_strong_password(value: bytes) -> bool:
    classes = (rb"[a-z]", rb"[A-Z]", rb"[0-9]", rb"[^A-Za-z0-9_./-]")
    num_classes = sum(re.search(one, value) is not None for one in classes)
    return len(value) >= _MIN_PASSWORD_BYTES and num_classes >= 3 and not _ATTRIBUTES.fullmatch(value)


ASSIGNED = Rule(
    "literal assigned to a secret name",
    frozenset({b"pass", b"pwd", b"secr", b"toke", b"key", b"cred"}),
    _ASSIGNMENT,
    _is_assigned_secret,
)

RULES = (*TOKENS, *PLACED, ASSIGNED)
