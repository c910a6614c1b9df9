"""Secrets of every kind of surroundings, of every row of the vendors' table, and a hundred lines that hold none."""

from __future__ import annotations

import random
import re
import string
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from effectiveness.corpus.secrets import redact, redact_all
from effectiveness.corpus.secrets.chance import is_by_chance
from effectiveness.corpus.secrets.places import ROWS
from effectiveness.corpus.secrets.rules import ALPHABETS, ANCHORED, RUNS, Token, parts
from tests.secret_kinds import KINDS as FIRST_KINDS
from tests.secret_kinds import is_left, planted
from tests.secret_kinds_leaked import LEAKED_KINDS
from tests.secret_kinds_made_up import MADE_UP_KINDS
from tests.secret_kinds_more import MORE_KINDS
from tests.secret_kinds_of_people import KINDS_OF_PEOPLE

SETS_OF_KINDS = (FIRST_KINDS, MORE_KINDS, MADE_UP_KINDS, LEAKED_KINDS, KINDS_OF_PEOPLE)
KINDS = {kind: text for kinds in SETS_OF_KINDS for kind, text in kinds.items()}

BASE36 = string.ascii_lowercase + string.digits
NUM_VALUES = 10  # of each kind; 25 and other seeds give the same share


def test_at_least_97_percent_of_the_secrets_of_480_kinds_are_gone():
    cases = list(planted(KINDS, seed=1, num_values=NUM_VALUES))
    assert len(KINDS) == sum(map(len, SETS_OF_KINDS)) >= 480
    redacted, _ = redact_all([case.text.encode() for case in cases])
    missed = Counter(
        case.kind
        for case, text in zip(cases, redacted, strict=True)
        if any(is_left(secret, text.decode()) for secret in case.secrets)
    )
    assert missed.total() <= 0.03 * len(cases), missed
    assert max(missed.values(), default=0) < NUM_VALUES // 2, missed  # no kind comes through as such


def test_kinds_are_redacted_in_place_and_once():
    cases = list(planted(KINDS, seed=2, num_values=2))
    texts = [case.text.encode() for case in cases]
    redacted, _ = redact_all(texts)
    assert [len(text) for text in redacted] == [len(text) for text in texts]
    assert [text.count(b"\n") for text in redacted] == [text.count(b"\n") for text in texts]
    assert redact_all(redacted) == (redacted, {})


# --- the table of places ---------------------------------------------------------------------------------

EXAMPLES = [(row.split(" | ")[0], row.split("\n", 2)[2]) for row in ROWS if row.count("\n") > 1]


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_the_example_of_every_row_of_places_is_found_by_its_rule_and_placeholders_stay(rule, example):
    for value in ("rK7vQ2mXw9Tz", "Tiger4821xyz"):
        redacted, counts = redact(f"{example.replace('§', value)}\n".encode())
        assert value not in redacted.decode() and rule in counts
    for placeholder in (
        "$PASSWORD",
        "${db_password}",
        "<password>",
        "{{ password }}",
        "********",
        "your_password",
    ):
        text = f"{example.replace('§8rT2xQ0z9LmV', placeholder).replace('§', placeholder)}\n".encode()
        assert redact(text) == (text, {})


def test_a_model_of_neighbouring_characters_tells_chance_from_names():
    rng = random.Random(11)
    for letters in (BASE36, BASE36.upper(), string.ascii_letters + string.digits):
        drawn = ["".join(rng.choice(letters) for _ in range(20)).encode() for _ in range(400)]
        assert sum(map(is_by_chance, drawn)) >= 0.95 * len(drawn)
    names = re.findall(
        rb"[A-Za-z_][\w.]{15,63}", Path(random.__file__).read_bytes() + Path(re.__file__).read_bytes()
    )
    names += [
        b"x86_64_unknown_linux_gnu",
        b"parse_html5_document_v2",
        b"getUserById2AndName",
        b"utf8_to_utf16_offset",
    ]
    assert not [name for name in names if is_by_chance(name)]


# --- the vendors' table ----------------------------------------------------------------------------------


def alphabet(name: str) -> str:
    return "".join(
        character
        for character in string.ascii_letters + string.digits + "+/=_-.~"
        if re.match(f"[{ALPHABETS[name]}]", character)
    )


def token_of(token: Token, rng: random.Random, letter: str = "") -> str:
    """A token of the row; of one letter only, if one is given."""
    made = rng.choice(token.prefixes)
    for name, least, most in parts(token.body):
        if name.startswith("="):
            made += name[1:]
            continue
        letters = alphabet(name)
        count = rng.randint(least, least + 12 if most is None else most)
        plain = letters.translate(
            str.maketrans("", "", "+/=_-.~")
        )  # where a token ends in one nobody could say
        drawn = [rng.choice(letters) for _ in range(count - 1)] + [rng.choice(plain)]
        made += (letter if letter in letters else letters[0]) * count if letter else "".join(drawn)
    return made


NEUTRAL = ('x = "{}"\n', "value: {}\n", '  "item": "{}",\n', "const v = '{}';\n", "FOO={}\n")


def test_the_table_holds_at_least_200_shapes_of_150_vendors_each_with_a_source():
    rows = (*ANCHORED, *RUNS)
    assert len(rows) >= 200 and len({row.vendor for row in rows}) >= 150
    assert all(set(row.source.split()) <= set("GTHV") and row.source for row in rows)
    assert all(len(prefix) >= 3 for row in ANCHORED for prefix in row.prefixes)


@pytest.mark.parametrize("neutral", NEUTRAL)
def test_a_token_of_every_row_behind_a_neutral_name_is_redacted(neutral):
    rows = (*ANCHORED, *RUNS)
    tokens = [(row, token_of(row, random.Random(f"{neutral} {row}"))) for row in rows]
    redacted, _ = redact_all([neutral.format(token).encode() for _, token in tokens])
    missed = [
        row.vendor for (row, token), text in zip(tokens, redacted, strict=True) if token.encode() in text
    ]
    assert len(missed) <= 0.03 * len(rows), missed  # a short one drawn without digits looks like a name


def test_what_only_has_the_shape_of_a_token_stays():
    """Documentation writes `ghp_aaaa...`: the prefix and one letter."""
    rows = [row for row in (*ANCHORED, *RUNS) if "T3BlbkFJ" not in row.body]
    texts = [NEUTRAL[0].format(token_of(row, random.Random(3), "a")).encode() for row in rows]
    assert redact_all(texts) == (texts, {})


def test_a_token_that_is_cut_short_is_no_longer_its_vendors():
    rng = random.Random(4)
    several = {vendor for vendor, count in Counter(row.vendor for row in ANCHORED).items() if count > 1}
    rows = [row for row in ANCHORED if row.vendor not in several]
    for row in rows:
        cut = row.prefixes[0] + "".join(rng.choice("ab1") for _ in range(3))
        assert row.vendor not in redact(NEUTRAL[0].format(cut).encode())[1], row


# --- what is no secret -----------------------------------------------------------------------------------

HARMLESS = r"""
next_page_token = "CAESBkVnWk5uZBoJCgdiYXItZm9v8Hd2Qx"
nextPageToken: "EAAaHlBUOkNBb1FBQSIQNTdCNEM0RjYxM0Y5"
page_token = "x8Fk2Lm9Qa7Zr4Tv1Yb6"
continuation_token = "a81bc81b-dead-4e5d-abff-90865d1e13b1"
cursor_token = 'b3BhcXVlQ3Vyc29yOjEyMzQ1Njc4'
primary_key = "q8Zr4Tv1Yb6x8Fk2Lm9Qa7Zr"
foreign_key = "user_account_v2_id9f3"
key: "checkout.step2.btnPay3Label4x9"
cache_key = "5d41402abc4b2a76b9719d911017c592"
sort_key = "Zx81Yw72Xv63Wu54"
s3_key = "data/2024/x1y2z3/part-0001.parquet"
partition_key = "tenant#42#2024-05-01"
key = "item-9f8e7d6c5b4a3210"
tokenKey = "userTokenKeyV2Beta"
public_key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
pubkey = "02b4632d08485ff1df2db55b9dafd23347d1c47a457072a1e87be26896549a8737"
ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 me@host
sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
sha1: da39a3ee5e6b4b0d3255bfef95601890afd80709
md5sum = "d41d8cd98f00b204e9800998ecf8427e"
digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
checksum = "5eb63bbbe01eeed093cb22bb8f5acdc3"
commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904
rev = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
etag = "33a64df551425fcc55e4d42a148795d9f25f89d4"
fingerprint = "SHA256:uNiVztksCsDhcc0u9e8BrQLbNXpGQqJT0nF7p1nF2yQ"
uuid = "3f2b6c1e-7a54-4d0e-9b7c-52f1a0c3d9e8"
id = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
const uid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
image: registry.example.org/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
"https://cdn.example.org/app.3f2a9c81d7e64b05.min.js"
[![build](https://img.shields.io/badge/twitter-24e08a9ea84deb17ae121074d0f17125.svg)](x)
password = "changeme"
password = "password123"
password: ""
password: "********"
password: <your password>
password: ${{ secrets.DB_PASSWORD }}
password: "{{ vault_password }}"
password = os.environ["PASSWORD"]
password = config.get("password")
password = getpass.getpass()
password = input("Password: ")
password=$DB_PASSWORD
password=%PASSWORD%
"password": "Passwort vergessen?"
"password": "Mot de passe"
"password": {"type": "string", "minLength": 8}
password_field = "user_password_2"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
PasswordValidator = "MinimumLengthValidator"
def check_password(self, password, encoded):
self.password = password or self.default_password
--- PASS: TestGoList/GOPATH (0.03s)
should_pass("WinDLL('./_sqlite3.dll')")
passValue('string2abc')
if (pass1 == pass2) return;
StencilPassOp: D3D11_STENCIL_OP,
token = tokens[0]
token = next(tokenizer)
token_type = "bearer"
token: Token::Ident(name)
let token = parse_token(stream)?;
token_url = "https://auth.example.org/oauth/token"
TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
"secret_ref": "V1LocalObjectReference",
"image_pull_secrets": "List[V1LocalObjectReference]",
secretName: app-tls-v2-2024
secret_name = "projects/p1/secrets/db/versions/3"
api_key = "YOUR_API_KEY"
api_key = "<insert key>"
api_key: API_KEY_2
apiKey: process.env.API_KEY_V2
API_KEY=${API_KEY:-}
key_path = "/etc/ssl/private/key1.pem"
private_key_path = "~/.ssh/id_ed25519"
ssh_key_file: keys/deploy_key_2024.pem
auth_header = "Authorization"
authorization: Bearer ${TOKEN}
Authorization: Bearer <token>
Authorization: Basic ${CREDENTIALS}
Access-Control-Allow-Credentials: true
"HTTPPasswordMgrWithPriorAuth", "AbstractBasicAuthHandler",
http://user:password@example.org/
https://github.com/org/repo/blob/4b825dc642cb6eb9a060e54bf8d69288fbee4904/README.md
redis://localhost:6379/0
postgres://localhost/app
curl -u "$USER:$PASSWORD" https://api.example.org
curl -u user:pass https://api.example.org
mysql -u root -p shop < dump.sql
docker run -p 8080:80 nginx
mkdir -p build/release2
CREATE USER app WITH PASSWORD :'password';
IDENTIFIED BY PASSWORD
a station identified by %NL80211_ATTR_MAC
boundary = "b1_76a486bee62b0d200f33dc2ca08220ad"
fmt = 'P2nPI13Pl4Pn9Pn12PIP'
const _Prime_name = "p2p3p5p7p11p13p17p19p23p29p37p41p43"
let s = "_ZN3foo17h05af221e174051e9E";
vkey := "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq"
("CF-RAY", "327fd1809f3c1baf-SEA"),
expected = "Zx8fK2mN9qLw4RtY7uBv"
assert encode(x) == "Zx8fK2mN9qLw4RtY7uBv"
alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
mnemonic = "word list"
seed = 12345678
salt = os.urandom(16)
d = "M10.5 20.25L30 40.75Z"
HASH_SALT_LENGTH = 16
machine learning password policy
login: admin
-----BEGIN CERTIFICATE-----
-----BEGIN PUBLIC KEY-----
version = "1.2.3-beta4+build5"
"resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz#9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
h1:uNiVztksCsDhcc0u9e8BrQLbNXpGQqJT0nF7p1nF2yQ=
golang.org/x/net v0.0.0-20220722155237-a158d28d115b
tokens = ['a1b2c3d4e5f6a7b8c9d0', 'x']
tokens: Iterable[Token]) -> FrozenSet[str]:
boundary="NMuMz9nt05w80d4+"
--check-ids "Pfx0RwqBli" "zXCkfM1nI3"
cipher = Cipher("PBKDF2WithHMAC-SHA224AndAES128-CBC")
createCipheriv('aes-256-cbc', key, iv)
Client('https://api.example.org/v1', timeout=30)
jwt.verify(token, publicKey, { algorithms: ['RS256'] })
db, err := sql.Open("mysql", "user:password@tcp(localhost:3306)/db")
openssl enc -aes-256-cbc -k "$PASS" -in a
7z a -pPASSWORD out.7z data
lftp -u user,password ftp.example.org
net use Z: \\nas\share /user:bob
rabbitmqctl add_user app $PASSWORD
snmp-server community public RO
-setcookie mycookie
send "yes\r"
root:x:0:0:root:/root:/bin/bash
fi | sudo -S cat
"password".toCharArray()
Buffer.from('user:pass').toString('base64')
btoa("user:password")
WiFi.begin(ssid, password);
begin("transaction_read_committed")
the password is ``case_sensitive_2``
hash_salt_rounds = 12
signing_salt: "abcdefgh"
cy.get('#password').type('{enter}')
And I fill in "password" with "secret"
${PASSWORD}    Get Environment Variable
"V4L2_MPEG_AUDIO_L3_BITRATE_128K"
proxy_bypass = proxy_bypass_environment
pub const IOC_OPAL_SET_PW: u32 = 1109422304;
Token: PULONG64,
Token: `urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6`,
secretKey = Keys.secretKeyFor(SignatureAlgorithm.HS256);
conn = client.HTTPSConnection('self-signed.pythontest.net', 443)
loop.create_connection(asyncio.Protocol, 'fe80::1%1', 80)
"AWS::ApiGateway::ApiKey": "48205d4ffd7feba3",
"contentHash": "nIMnkYOW++KzAYg1fRr8YosQil1FECEQYHbnKMoD935QiBU8u3H9nG/llB3vtQG/XvDpoV8lEcfgtN+mZg3+xg=="
arn:aws:secretsmanager:us-east-1:123456789012:secret:garden/db-a1B2c3
ENV GPG_KEY A035C8C19219BA821ECEA86B64E628F8D684696D
password: 'current-user-password'
self.connect("cache_post_open", "_inc_changes_count")
// One pass for each binding: elf.STB_LOCAL, elf.STB_GLOBAL,
{token.FLOAT, "0x12efp-123", "0x12efp-123", ""},
password: ENC[AES256_GCM,data:lxOE==,iv:i/C5tawA7hV+ENwKyUUVDUFzrmmwgUBCHm3o+w5jPiI=,tag:qJaJQuZayMeRQr413NU+uQ==]
<code>socket.connect()</code><a href="#socketconnect" id="socketconnect">#</a><a id="all_net_socket_connect"></a>
"""
HARMLESS_LINES = HARMLESS.strip().splitlines()


def test_a_hundred_look_alikes_stay():
    texts = [f"{line}\n".encode() for line in HARMLESS_LINES]
    redacted, _ = redact_all(texts)
    assert len(texts) >= 100
    assert [text for text, left in zip(texts, redacted, strict=True) if text != left] == []


def test_a_table_of_random_strings_stays():
    """Test vectors stand in rows; one alone is a secret."""
    rng = random.Random(7)
    rows = [
        f'case{i} = "{"".join(rng.choice(string.ascii_letters + string.digits) for _ in range(32))}"'
        for i in range(4)
    ]
    text = "\n".join(rows).encode()
    assert redact(text) == (text, {})
    assert redact(rows[0].encode())[1]


def test_a_file_that_holds_one_token_is_redacted_and_a_long_one_costs_no_look_at_all_of_it():
    token = "rK7vQ2mXw9TzLp4Bn8Yc"
    assert token not in redact(f"{token}\n".encode())[0].decode()
    assert redact(b"da39a3ee5e6b4b0d3255bfef95601890afd80709\n")[1] == {}  # a checksum
    line = f'call({token}, "{token}")\n'.encode()
    few, many = line * 1_000, line * 16_000
    costs_s = []
    for text in (few, many):
        started = time.process_time()
        redact(text)
        costs_s.append(time.process_time() - started)
    assert costs_s[1] < 16 * 3.0 * costs_s[0] + 0.05


# --- cost ------------------------------------------------------------------------------------------------

UNITS = (
    "password=", "password: 'a1B2", 'token="', "api_key = (\n'", "secret, ", "a,b,password\n",
    "(name, password) values (",
    "-----BEGIN PRIVATE KEY-----\n", "UFJJVkFURSBLRVk", "Private-Lines: 1\n", "a1B2c3D4e5F6g7H8", "a1B2c3D4e5F6g7H8 ",
    "aws a1B2c3D4e5F6g7H8 ", "curl -u ", "mysql \\\n", "https://a:b@", "https://", "eyJa.eyJb.",
    "kind: Secret\n  a: b1B2c3D4\n",
    "<password>", "mnemonic = abandon ", "login('", "auth=(", "ghp_", "$2a$", "sessionid=", "name: TOKEN\n value: ",
    "echo ", "echo a1B2c3D4 ", "password:\nsend \"", "root:a1B2c3D4@tcp(", "root:a1B2c3D4\n",
    "APP_KEYS=a1B2c3D4e5F6g7H8,", "key\n: [\n", '"a1B2c3D4".toCharArray()', "os.environ['A_KEY", "openssl -k ",
    "net use /user:a ", "password} ", "``password is ``",
    "secrets:\n  a: b1C2d3E4\n", "credentials:\n", "[passwords]\na=b1\n", "login a / b1C2d3E4 ",
    " -u a -p b1C2d3E4", " -u ", "aes_key = {0x1f, ", "key = [12,240,", "password for a a a is ", "hook/a/",
    "</password> <value>", "secret key\n", "auth a:b1", "X-A-Key: ", "private_key decode a1B2c3D4e5F6g7H8 ",
    "run a b ", "recovery codes\n", "recovery codes\na1b2c-d3e4f\n", "standby 1 authentication ", 'user = "a:',
    "user a on ", "\nuser a ", "echo a:b1C2d3E4 ", "identify a ", "pin = 12", "WIFI:T:;", "seed phrase able ",
    'expect password\n send "', "AKIA1B2C3D4E5F6G7H8 key ", "acmeSECRET-", "acme key ", '"value": "b1C2d3E4", ',
    "following password \n", "unseal key ", "option key ", "user/pass a/", '"a" * ', "createUser a SHA ", "\n key ",
)  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_the_time_and_memory_are_linear_in_the_text(unit):
    def cost_s(num_bytes: int) -> float:
        text = (unit * num_bytes)[:num_bytes].encode()
        fastest = float("inf")
        for _ in range(2):
            started = time.process_time()
            redact(text)
            fastest = min(fastest, time.process_time() - started)
        return fastest

    small, large = cost_s(1 << 12), cost_s(1 << 15)
    assert large < 8 * 3.0 * small + 0.05  # 8 times the bytes; 64 times the time if each looked at all others
    text = (unit * (1 << 15))[: 1 << 15].encode()
    tracemalloc.start()
    redact(text)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 150 * len(text) + (1 << 19)
