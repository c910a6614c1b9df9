"""Secrets: planted ones of every rule in every host syntax, pathological texts, and what is no secret.

No secret is written here: a seeded generator makes them at run time.
"""

from __future__ import annotations

import ast
import base64
import json
import random
import string
import sysconfig
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from effectiveness.corpus.secrets import anchors, redact, redact_all
from effectiveness.corpus.secrets.named import NAMED
from effectiveness.corpus.secrets.places import CALLED, PLACED
from effectiveness.corpus.secrets.rules import TOKENS as TOKEN_RULES

UPPER, LOWER, DIGITS, HEX = string.ascii_uppercase, string.ascii_lowercase, string.digits, "0123456789abcdef"
BASE62 = UPPER + LOWER + DIGITS
BASE64URL = BASE62 + "-_"


def draw(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def shape(prefix: str, *parts: tuple[str, int] | str) -> Callable[[random.Random], str]:
    """prefix, then literal strings and (alphabet, count) random ones. The last character is a letter or digit:
    one that ends in "-" would be as good a secret, but nobody could say where it ends."""

    def make(rng: random.Random) -> str:
        body = "".join(part if isinstance(part, str) else draw(rng, *part) for part in parts)
        return prefix + body[:-1] + (body[-1] if body[-1] not in "-_." else "Q")

    return make


def jwt(rng: random.Random) -> str:
    def part(value: dict) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return ".".join((part({"alg": "HS256"}), part({"sub": draw(rng, BASE62, 12)}), draw(rng, BASE62, 43)))


TOKENS: dict[str, list[Callable[[random.Random], str]]] = {
    "AWS access key id": [shape("AKIA", (UPPER + "234567", 16)), shape("ASIA", (UPPER + "234567", 16))],
    "Google API key": [shape("AIza", (BASE64URL, 35))],
    "Google OAuth token": [shape("ya29.", (BASE64URL, 120)), shape("GOCSPX-", (BASE64URL, 28))],
    "GitHub token": [
        *(shape(f"gh{kind}_", (BASE62, 36)) for kind in "pousr"),
        shape("github_pat_", (BASE62, 22), "_", (BASE62, 59)),
    ],
    "GitLab token": [shape("glpat-", (BASE64URL, 20)), shape("glrt-", (BASE64URL, 20))],
    "Slack token": [
        shape("xoxb-", (DIGITS, 12), "-", (DIGITS, 12), "-", (BASE62, 24)),
        shape("xapp-", "1-A", (UPPER + DIGITS, 10), "-", (DIGITS, 13), "-", (HEX, 64)),
    ],
    "Slack webhook": [
        shape(
            "https://hooks.slack.com/services/",
            "T",
            (UPPER + DIGITS, 8),
            "/B",
            (UPPER + DIGITS, 8),
            "/",
            (BASE62, 24),
        )
    ],
    "Discord webhook": [shape("https://discord.com/api/webhooks/", (DIGITS, 18), "/", (BASE64URL, 68))],
    "Discord token": [shape("M", (BASE62, 23), ".", (BASE64URL, 6), ".", (BASE64URL, 38))],
    "Stripe key": [
        shape("sk_live_", (BASE62, 24)),
        shape("rk_test_", (BASE62, 99)),
        shape("whsec_", (BASE62, 32)),
    ],
    "Twilio key": [shape("SK", (HEX, 32))],
    "SendGrid key": [shape("SG.", (BASE62, 22), ".", (BASE64URL, 43))],
    "Mailgun key": [shape("key-", (HEX, 32))],
    "npm token": [shape("npm_", (BASE62, 36))],
    "PyPI token": [shape("pypi-AgE", (BASE64URL, 150))],
    "crates.io token": [shape("cio", (BASE62, 32))],
    "Docker token": [shape("dckr_pat_", (BASE64URL, 27))],
    "Hugging Face token": [shape("hf_", (UPPER + LOWER, 34))],
    "Anthropic key": [shape("sk-ant-", "api03-", (BASE64URL, 93), "AA")],
    "OpenAI key": [
        shape("sk-", (BASE62, 48)),
        shape("sk-proj-", (BASE64URL, 74), "T3BlbkFJ", (BASE64URL, 74)),
    ],
    "Replicate token": [shape("r8_", (BASE62, 37))],
    "DigitalOcean token": [shape("dop_v1_", (HEX, 64))],
    "Shopify token": [shape("shpat_", (HEX, 32))],
    "Databricks token": [shape("dapi", (HEX, 32))],
    "Vault token": [shape("hvs.", (BASE62, 90))],
    "Telegram token": [shape("", (DIGITS[1:], 10), ":AA", (BASE64URL, 33))],
    "Azure storage key": [
        lambda rng: (
            f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={draw(rng, BASE62 + '+/', 86)}=="
        )
    ],
    "Azure client secret": [shape("", (BASE62, 3), "8Q~", (BASE62 + "_.", 34))],
    "JSON Web Token": [jwt],
    "password in a URL": [
        lambda rng: f"postgres://admin:{draw(rng, BASE62 + '!$*', 14)}@db.internal:5432/app",
        lambda rng: f"https://bot:{draw(rng, BASE62, 20)}@git.internal/org/repo.git",
        lambda rng: f"redis://:{draw(rng, BASE62, 24)}@cache:6379/0",
    ],
}
ASSIGNED = "literal assigned to a secret name"
VALUES: dict[str, Callable[[random.Random], str]] = {  # name -> its value
    "password": shape("", (BASE62 + "!#%^*+", 16)),
    "db_password": shape("", (UPPER, 2), (LOWER, 3), "!", (DIGITS, 3), "#", (BASE62, 4)),
    "secret_key": shape("", (BASE62, 50)),
    "api_key": shape("", (HEX, 32)),
    "access_token": shape("", (BASE62, 40)),
    "client_secret": shape("", (BASE64URL, 32)),
    "AWS_SECRET_ACCESS_KEY": shape("", (BASE62 + "+/", 40)),
    "apiKey": shape("", (LOWER + DIGITS, 24)),
    "encryption_key": lambda rng: base64.b64encode(rng.randbytes(32)).decode(),
}

# {name} and {value}; one per syntax a secret stands in
HOSTS = {
    "Python": '{name} = "{value}"\n',
    "Python annotated": "{name}: str = '{value}'\n",
    "Python keyword": 'connect(host="h", {name}="{value}", port=1)\n',
    "Python environment": 'os.environ["{name}"] = "{value}"\n',
    "Python multi-line": '{name} = (\n    "{value}"\n)\n',
    "Rust constant": 'const {name}: &str = "{value}";\n',
    "Rust binding": 'let {name} = String::from("{value}");\n',
    "Go": 'var {name} = "{value}"\n',
    "Go typed": 'const {name} string = "{value}"\n',
    "Go short": '\t{name} := []byte("{value}")\n',
    "Go field": '\t{name}: "{value}",\n',
    "Java": 'private static final String {name} = "{value}";\n',
    "Java map": 'config.put("{name}", "{value}");\n',
    "TypeScript": "export const {name}: string = `{value}`;\n",
    "JSON": '{{"{name}": "{value}"}}\n',
    "JSON in a string": 'body = "{{\\"{name}\\": \\"{value}\\"}}"\n',
    "YAML": "{name}: {value}\n",
    "YAML quoted": "  - {name}: '{value}'\n",
    ".env": "{name}={value}\n",
    "shell": 'export {name}="{value}"\n',
    "shell option": "tool --{name} {value} --verbose\n",
    "TOML": '{name} = "{value}"\n',
    "Ruby": "'{name}' => '{value}',\n",
}
LINE_BEFORE, LINE_AFTER = "# settings\n", "# end of settings\n"


def planted(seed: int) -> list[tuple[str, str, str, str]]:
    """(rule, host, text, secret): every rule in every syntax."""
    rng = random.Random(seed)
    found = []
    for host, template in HOSTS.items():
        cases = [(rule, "value", make(rng)) for rule, makers in TOKENS.items() for make in makers]
        cases += [(ASSIGNED, name, make(rng)) for name, make in VALUES.items()]
        for rule, name, value in cases:
            text = LINE_BEFORE + template.format(name=name, value=value) + LINE_AFTER
            found.append((rule, host, text, value))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_at_least_99_percent_of_planted_secrets_are_redacted_in_every_host_syntax(seed):
    cases = planted(seed)
    assert len(cases) > 1_000 and len({rule for rule, *_ in cases}) == len(TOKENS) + 1
    missed = [(rule, host) for rule, host, text, _ in cases if not redact(text.encode())[1]]
    assert len(missed) <= 0.01 * len(cases), Counter(missed)


def test_a_planted_secret_is_counted_once_under_its_rule():
    cases = planted(5)
    wrong = [
        (rule, host, counts)
        for rule, host, text, _ in cases
        if (counts := redact(text.encode())[1]) and counts != {rule: 1}
    ]
    assert len(wrong) <= 0.01 * len(cases), wrong[:20]


def test_nothing_of_a_secret_longer_than_its_prefix_is_left():
    for rule, host, text, secret in planted(6):
        redacted, counts = redact(text.encode())
        if counts:
            tail = secret.rpartition("@")[0] or secret  # a host name after the password stays
            assert tail[-12:].encode() not in redacted, (rule, host)


def test_redaction_keeps_length_lines_quotes_and_everything_around():
    for rule, host, text, secret in planted(7):
        redacted = redact(text.encode())[0].decode()
        assert len(redacted) == len(text), (rule, host)
        start = text.index(secret)
        assert redacted[:start] == text[:start], (rule, host)
        assert redacted[start + len(secret) :] == text[start + len(secret) :], (rule, host)


def test_texts_redacted_together_become_what_each_becomes_alone(monkeypatch):
    """Nothing is found across the end of a text, whatever begins there and wherever a block ends."""
    monkeypatch.setattr(anchors, "BLOCK_BYTES", 1 << 10)
    rng = random.Random(2)
    whole = [text.encode() for _, _, text, _ in rng.sample(planted(5), 600)]
    parts = [
        part for text in whole for cut in [rng.randrange(len(text))] for part in (text[:cut], text[cut:])
    ]
    texts = [*whole, *parts, b"", b"k", b"sk-"]
    alone = [redact(text) for text in texts]
    together, counts = redact_all(texts)
    assert together == [text for text, _ in alone]
    assert counts == sum((Counter(of_text) for _, of_text in alone), Counter())
    assert sum(counts.values()) > 600 and redact_all([]) == ([], {})


@pytest.mark.skipif(anchors._places is None, reason="nothing was compiled")
def test_what_is_compiled_finds_the_same_places_as_python(monkeypatch):
    monkeypatch.setattr(anchors, "BLOCK_BYTES", 1 << 10)
    table = anchors.AnchorTable((*TOKEN_RULES, *PLACED, CALLED, *NAMED))
    rng = random.Random(4)
    alphabets = (b"aB3_ ", b"a1B2c3.-/+~_", b"keyToken='pass 0:", bytes(range(256)))
    texts = [bytes(rng.choices(alphabet, k=rng.randrange(12_000))) for alphabet in alphabets * 8]
    texts += [text.encode() for _, _, text, _ in rng.sample(planted(6), 200)]
    num_found = 0
    for text in [*texts, b"\0".join(texts), b"a1" * 9_000]:
        padded = bytes(8) + text + bytes(32 - len(text) % 8)
        view = np.frombuffer(padded, np.uint8)
        for compiled, by_python in (
            (table.compiled_look_up, table.look_up),
            (anchors.compiled_runs, anchors.runs),
        ):
            found = [array.tolist() for array in compiled(view)]
            assert found == [array.tolist() for array in by_python(view)]
            num_found += len(found[0])
    assert num_found > 1_000


def test_the_password_under_a_title_that_ends_its_line_is_found():
    assert redact(b"| user | password |\n|------|----------|\n| trent | ht79wQKx9yW |\n")[1]


def test_redacting_twice_changes_nothing_and_counts_nothing():
    for _, _, text, _ in planted(8):
        redacted, _ = redact(text.encode())
        assert redact(redacted) == (redacted, {})


def test_redacted_python_and_json_still_parse():
    for _, host, text, _ in planted(9):
        redacted = redact(text.encode())[0].decode()
        if host.startswith("Python"):
            ast.parse(redacted)
        if host == "JSON":
            json.loads(redacted.splitlines()[1])


# --- private keys ----------------------------------------------------------------------------------------


def pem(rng: random.Random, label: str, num_bytes: int) -> str:
    body = base64.encodebytes(rng.randbytes(num_bytes)).decode().replace("\n", "")
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


LABELS = (
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "PGP PRIVATE KEY BLOCK",
)


def key_hosts(key: str) -> dict[str, str]:
    lines = key.splitlines()
    return {
        "file": key,
        "CRLF": key.replace("\n", "\r\n"),
        "Python triple quotes": f'KEY = """{key}"""\n',
        "Python parts": "KEY = (\n" + "".join(f"    '{line}\\n'\n" for line in lines) + ")\n",
        "Java parts": "String key = " + "\n    + ".join(f'"{line}\\n"' for line in lines) + ";\n",
        "JSON": json.dumps({"type": "service_account", "private_key": key}) + "\n",
        "YAML block": "key: |\n" + "".join(f"  {line}\n" for line in lines),
        "comment": "".join(f"// {line}\n" for line in lines),
        ".env": "KEY=" + json.dumps(key) + "\n",
    }


@pytest.mark.parametrize("label", LABELS)
def test_private_keys_are_redacted_whole_whatever_they_stand_in(label):
    rng = random.Random(label)
    for num_bytes in (48, 54, 118, 609, 1190):  # 54 ends in a line of 8 characters
        key = pem(rng, label, num_bytes)
        for host, text in key_hosts(key).items():
            redacted, counts = redact(text.encode())
            assert counts == {"private key": 1}, host
            assert len(redacted) == len(text)
            assert redacted.count(b"\n") == text.count("\n")
            for line in key.splitlines()[1:-1]:
                assert line.encode() not in redacted, (host, line)
            assert redact(redacted) == (redacted, {})
            if host == "JSON":
                assert json.loads(redacted)["type"] == "service_account"
            if host.startswith("Python"):
                ast.parse(redacted)


def test_code_that_builds_a_key_from_variables_stays():
    text = b'key = "-----BEGIN PRIVATE KEY-----\\n" + encode_the_body_in_base64(it) + "\\n-----END PRIVATE KEY-----"\n'
    assert redact(text) == (text, {})


def test_a_variable_between_the_last_part_of_a_key_and_its_end_stays():
    line = base64.b64encode(random.Random(4).randbytes(48)).decode()
    text = f'key = "-----BEGIN PRIVATE KEY-----\\n{line}\\n" + tail + "\\n-----END PRIVATE KEY-----"\n'
    redacted, counts = redact(text.encode())
    assert counts == {"private key": 1}
    assert redacted == text.replace(line, "X" * len(line)).encode()


def test_public_keys_and_certificates_stay():
    text = pem(random.Random(1), "CERTIFICATE", 600) + pem(random.Random(2), "PUBLIC KEY", 300)
    assert redact(text.encode()) == (text.encode(), {})


def test_an_encrypted_keys_headers_stay():
    key = pem(random.Random(3), "RSA PRIVATE KEY", 600).split("\n", 1)
    text = f"{key[0]}\nProc-Type: 4,ENCRYPTED\n\n{key[1]}".encode()
    assert b"Proc-Type: 4,ENCRYPTED" in redact(text)[0]


# --- what is no secret -----------------------------------------------------------------------------------

HARMLESS = r"""
password = "password"
password = getpass.getpass("Password: ")
password: str = Field(default="changeme", min_length=8)
PASSWORD = os.environ["DB_PASSWORD"]
password=${DB_PASSWORD}
password: {{ vault_database_password }}
url = "https://user:password@example.com/path"
url = f"https://{user}:{password}@{host}/"
DATABASE_URL=postgres://$USER:$PASSWORD@localhost/app
AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
tokenizer = AutoTokenizer.from_pretrained("Qwen/Qwen3-MoE-15B-A2B")
"MBart50Tokenizer": MBart50Converter,
fiber_force_length_passive=FiberForceLengthPassiveDeGroote2016,
private_key = rust_openssl.hpke.MLKEM768X25519PrivateKey
token = module.Ed25519x448P384.new
token = self._get_param("ExclusiveStartStreamName")
token_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
"AWS::IAM::AccessKey": "62d91b17309e76c8",
key = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
commit = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
integrity = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
secret_name = "projects/my-project/secrets/database/versions/12"
TOKEN_TYPE_IDENTIFIER_V2 = "identifier_v2_extended"
ssh://git@github.com:22/org/repo.git
"time": "2024-01-01T10:20:30Z", "ratio": "16:9@60"
npm_config_registry_url_for_internal_packages = 1
eyJhbGciOiJub25lIn0 is the start of a token
-----BEGIN PRIVATE KEY----- is the first line
    --- PASS: TestAddrStringAllocs/ipv4-in-ipv6 (0.00s)
tokens = 2*maxCompilerConcurrency + minTokens
"encryptionKey": "encryptionKey1024",
pub const CRYPT_OID_IMPORT_PRIVATE_KEY_INFO_FUNC: &'static str = "CryptDllImportPrivateKeyInfoEx";
ct = PBES2.encrypt(self.ref, self.passphrase, "PBKDF2WithHMAC-SHA224AndAES128-CBC")
"PasswordLastUsed": "2016-09-08T21:47:36Z",
Token: `urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6`,
"""


@pytest.mark.parametrize("line", HARMLESS.strip().splitlines())
def test_what_only_looks_like_a_secret_stays(line):
    assert redact(line.encode() + b"\n")[1] == {}


def test_the_standard_library_has_no_more_false_positives_than_the_two_known_ones():
    """Looked at one by one: a login in a URL in a comment, and 'user+1:a+b' given to splitpasswd()."""
    root = Path(sysconfig.get_path("stdlib"))
    counts: Counter[str] = Counter()
    for path in sorted(root.rglob("*.py")):
        if "site-packages" not in path.parts and "dist-packages" not in path.parts:
            counts.update(redact(path.read_bytes())[1])
    assert counts.total() <= 4, counts  # 2 on 3.11; room for other versions


# --- cost ------------------------------------------------------------------------------------------------

PATHOLOGICAL = (
    *(
        prefix
        for prefix in (
            "eyJ",
            "eyJ-",
            "eyJaaaaaaaaaa.",
            "ghp_",
            "sk-",
            "AKIA",
            "SG.",
            "key-",
            "SK0",
            "8Q~",
            ":AA",
        )
    ),
    *(
        "://",
        "a://b:",
        "a://:c@",
        "bearer ",
        "basic ",
        "-----BEGIN PRIVATE KEY-----",
        "PRIVATE KEY",
        "-----BEGIN ",
    ),
    *(
        "password",
        "password=",
        'password="',
        "password:",
        "key",
        "_key=",
        "token = ",
        "secret\t",
        "token.",
        "pass(",
    ),
    *(
        "M",
        ".",
        "......",
        "a.bcdefg.",
        "\\n",
        "%3D",
        "'",
        '"',
        "`",
        " ",
        "\n",
        "A",
        "0",
        "=",
        "X",
        "\0",
        "\xff",
    ),
    *('password="aB1!', "apikey=aB1xY2zW3q", "key='static ", "token: &'static str = ", "secret String = "),
)


@pytest.mark.parametrize("unit", PATHOLOGICAL)
def test_pathological_texts_take_linear_time(unit):
    """A quarter of a megabyte of it. The slowest takes a quarter of a second alone on a core."""
    text = (unit * (1 << 18))[: 1 << 18].encode("latin-1")
    started_s = time.process_time()
    redacted, _ = redact(text)
    assert time.process_time() - started_s < 3
    assert len(redacted) == len(text)


@pytest.mark.parametrize("text", [b"", b"a", b"ab", b"abc", b"\xff" * 9, b"eyJ", b"password"])
def test_short_texts_stay(text):
    assert redact(text) == (text, {})


def test_a_token_given_to_a_telling_name_keeps_its_prefix():
    token = TOKENS["GitHub token"][0](random.Random(5))
    redacted, counts = redact(f'TOKEN = "{token}"'.encode())
    assert (redacted, counts) == (b'TOKEN = "ghp_' + b"X" * 36 + b'"', {"GitHub token": 1})


def test_a_redacted_password_with_punctuation_is_not_found_again():
    redacted, counts = redact(b"http://login:passwd-on-proxy@proxy:80")
    assert counts == {"password in a URL": 1}
    assert redact(redacted) == (redacted, {})


def test_redacted_text_is_still_utf_8():
    text = 'password = "pä$$wörd9X!é"; url = "ftp://jürgen:größe7@höst/"'.encode()
    redacted, counts = redact(text)
    assert counts == {"literal assigned to a secret name": 1, "password in a URL": 1}
    assert len(redacted.decode().encode()) == len(text)


def test_a_secret_across_the_border_of_two_blocks_is_found():
    secret = TOKENS["GitHub token"][0](random.Random(1)).encode()
    for offset in range(-len(secret) - 2, 3):
        text = b" " * ((1 << 18) + offset) + secret + b" "
        assert redact(text)[1] == {"GitHub token": 1}


def test_the_password_in_a_url_ends_at_the_last_at_sign():
    text = b"ssh://user:Gx7@kW2@host:22/repo"
    assert redact(text) == (b"ssh://user:XXXXXXX@host:22/repo", {"password in a URL": 1})


def test_a_secret_after_an_escape_or_in_a_query_string_is_found():
    token = TOKENS["GitHub token"][0](random.Random(2))
    for text in (f'"a\\n{token}"', f"url?x%3D{token}&y", f"see A{token} there"):
        assert bool(redact(text.encode())[1]) == (" A" not in text)
