"""The words that tell of a secret, and those that tell of none, in names and in what stands before a value."""

from __future__ import annotations

import re


def word_set(words: str) -> frozenset[bytes]:
    """The words between spaces."""
    return frozenset(word.encode() for word in words.split())


# Every row: the anchors, with commas between, and the expression of the word that begins there. Words in German,
# Spanish, Portuguese, French, Dutch, Polish, Italian, Swedish, Finnish, Turkish, Czech, Hungarian, Danish, Chinese,
# Japanese and Russian, too.
PASSWORD_WORDS = (
    ("pass", rb"pass(?:wor[dt]|wd|wort|phrase|code|key|ord|e)|(?:(?<=[,;|])pass|pass(?!\s{0,8}[\n#]))"),
    ("pwd", rb"pwd"),
    ("htok", rb"(?<=aut)htok"),
    ("psw", rb"pswd?"),
    ("ymat", rb"(?<=ke)ymaterial"),
    ("by ',by \"", rb"(?:(?<=identified )|(?<=_password ))by"),
    ("pw=,pw:,pw\",pw',pw ", rb"pw"),
    ("psk,shar", rb"(?<![bdoq8])psk|shared[_-]?key"),
    ("kenn,gehe", rb"kennwort|geheim(?:nis)?"),
    ("rase,clav,senh", rb"(?<=cont)rase(?:n|\xc3\xb1|\xc3\x91)a|clave|senha"),
    ("mdp,mot_,motd", rb"mdp|mot_?de_?passe"),
    ("wach,hasl,has\u0142,paro", rb"wachtwoord|has(?:l|\xc5\x82)o|parola?"),
    ("enor,sala,sifr,\u015fif,hesl", rb"(?<=[o\xb6]s)enord|salasana|(?:s|\xc5\x9f)ifre|heslo"),
    ("jels,adga", rb"jelsz(?:o|\xc3\xb3)|adgangskode"),
    (
        "\u5bc6,\u30d1,\u043f\u0430",
        "\u5bc6\u7801|\u30d1\u30b9\u30ef\u30fc\u30c9|\u043f\u0430\u0440\u043e\u043b\u044c".encode(),
    ),
)
MATERIAL_WORDS = (
    ("secr", rb"secret"),
    ("toke", rb"token"),
    ("ysto", rb"(?<=ke)ystore"),
    ("key", rb"key"),
    ("p12,pfx", rb"p12|pfx"),
    ("cred", rb"credential|cred"),
    ("auth", rb"auth"),
    ("salt,pepp", rb"salt|pepper"),
    ("mnem,seed", rb"mnemonic|seed"),
    ("wif", rb"wif"),
    ("kek", rb"kek"),
)
# Not `tokenizer`, not `PASSIVE`.
END_OF_WORD = (
    rb"(?:s|(?<=[A-Z])S)?+"
    rb"(?:(?<=[a-z])(?![a-z])|(?<=[A-Z])(?![A-Za-z])|(?<=[\x80-\xff])|(?<=[0-9])(?![A-Za-z0-9]))"
)

# Whose key is a secret: `api_key`, not `cache_key`.
KEY_OWNERS = word_set("""
    access account admin aes api app appkey auth authentication bot client consumer crypt decrypt decryption
    deploy deployer des ecdsa ed25519 encrypt encryption enc hmac host jwt license licence machine maps master mnemonic
    owner private priv rsa secret security server network radius service session shared sign signer signing ssh ssl
    storage store subscription tacacs tls validation wallet webhook wep wg wifi wpa write x25519
""")

# Of a name: `token_url`, `PasswordField`.
_HARMLESS_STEMS = re.compile(
    rb"(?i)hash|digest|sha[0-9]|md5|checksum|public|finger|pattern|regex|format|placeholder"
)
_HARMLESS_IN_NAME = word_set("""
    pub field fields name names path paths file filename url urls uri error errors err msg message
    messages label title page pages cursor next prev continuation primary foreign partition cache sort
    version count counts length len size type types class prompt hint help description column columns blob
    index idx id ids max min num number cancellation keyword policy strength expiry expires expiration
    allow header headers prefix suffix param parameter parameters mode kind status state event callback
    handler factory manager provider validator verify verifying verification publishable site required
    enabled disabled lookup reset
""")

# Of the line before a random string.
_TELLING = word_set("""
    auth oauth crypt encryption login pass pw pat
    access cred creds sid credential credentials bearer wallet mnemonic fernet hmac jwt
    cookie netrc sessionid machinekey authorization accounts kty ident identified authenticate adafruit
    adobe airtable algolia alibaba amplitude asana atlassian aws azure beamer bitbucket bittrex
    bugsnag circleci clearbit cloudflare cloudinary codecov cohere coinbase confluent contentful databricks
    datadog digitalocean discord docusign dropbox drone etsy facebook fastly finicity finnhub firebase
    flickr freshbooks gitter gocardless heroku hubspot infura instagram intercom jfrog kraken kucoin
    launchdarkly linkedin lob looker mailchimp mailgun mapbox mattermost messagebird netlify newrelic
    appid relic nytimes okta opsgenie pagerduty paypal plaid pusher rapidapi razorpay rollbar segment
    sendbird sendgrid sentry shodan slack snyk sonar spotify square squarespace stripe sumologic
    telegram travis trello twilio twitch twitter typeform uber wandb yandex youtube zendesk
""")
_HARMLESS = word_set("""
    hash hashes digest digests checksum checksums integrity commit revision rev etag fingerprint uuid
    guid public pub pubkey nonce cursor page version blob resolved data src href signature sig certificate cert
    certs expected expect want assert equal equals test tests testing vector vectors example examples
    sample samples encode encoded decode decoded image img svg ssh import imports require fmt format
    pattern regex alphabet charset unhexlify hexlify fromhex next md sha crc tree parent oid hex font id
    ids url path file continuation primary foreign sort partition cache verification dnskey track channel site
    publishable donate address websocket boundary prefix
""")
_OF_CLIENTS = word_set("""
    account api auth client connect connection credential credentials endpoint host login oauth sdk server service
    session tenant user username webhook
""")
_OF_CIPHERS = word_set("aes cipher crypt decrypt encrypt hmac jwt")
# In one word with others, too: `algoliasearch`.
_VENDOR = re.compile(b"(?i:" + b"|".join(sorted(word for word in _TELLING if len(word) >= 6)) + b")")
_OF_CHECKSUMS = _HARMLESS - word_set("id ids url path file version data src href page tree next cache path")
_OF_CODECS = word_set(
    "encode encoded decode decoded import imports require hex fromhex unhexlify hexlify fmt format img"
)
_STRONG = re.compile(rb"(?i)(?:secret|private|api|signing|encryption)[_-]?key|passw|clientsecret")
_KEYS = frozenset((b"key", b"keys"))
_WORDS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_EXAMPLE_HOST = re.compile(rb"\bexample\.(?:com|org|net)\b")  # says nothing of the line
_ADDRESS = b"://"  # of an image, a download
_END_OF_ADDRESS = re.compile(rb"[\s\"'`<>,]")
_CLAUSE_ENDS = re.compile(rb"[,;{]")
_PARAMETER = re.compile(rb"[?&]([\w.-]{1,40})=$")
# `X-Acme-Signature-Key: `, `"Circle-Token": "`
_HEADER = re.compile(
    rb"(?:^|[\s\"'({])(?!(?i:idempotency|blob|cache|surrogate|sec-web|public|host|partition|routing|sort|object))"
    rb"[A-Za-z][A-Za-z0-9]{0,24}(?:-[A-Za-z0-9]{1,24}){0,5}-(?i:key|token|secret|auth|password|credential)s?"
    rb"[\"']?[:,][ ]{0,4}[\"']?$"
)


def is_harmless_name(name: bytes) -> bool:
    """`token_url`, `PasswordField`; not `account_password`, though it holds `count`."""
    return _HARMLESS_STEMS.search(name) is not None or not words_of(name).isdisjoint(_HARMLESS_IN_NAME)


def is_client_text(text: bytes) -> bool:
    """Whether the text tells of a service that one logs in to, or names one."""
    words = words_of(text)
    if not words.isdisjoint(_OF_CHECKSUMS):
        return False
    return not words.isdisjoint(_OF_CLIENTS) or _VENDOR.search(text) is not None


def is_cipher_text(text: bytes) -> bool:
    """Whether the text ciphers or signs something, and tells of no checksums or tests."""
    words = words_of(text)
    return words.isdisjoint(_OF_CHECKSUMS) and not words.isdisjoint(_OF_CIPHERS)


def is_harmless_line(line: bytes) -> bool:
    """Whether a random string behind the line is likely a checksum, test data, an image."""
    return not words_of(line).isdisjoint(_HARMLESS)


def is_line_of_checksums(line: bytes) -> bool:
    return not words_of(line).isdisjoint(_OF_CHECKSUMS)


def is_key_line(line: bytes) -> bool:
    """Whether a key stands in the line; whose may be said above."""
    return not words_of(line).isdisjoint(_KEYS)


def names_a_secret_key(line: bytes) -> bool:
    """Whether the line names a key or a password outright, whatever codec stands there, too."""
    return _STRONG.search(line) is not None and words_of(line).isdisjoint(_OF_CHECKSUMS - _OF_CODECS)


def is_telling_line(line: bytes) -> bool:
    """Whether the line tells of a secret, and not of what is harmless."""
    if _HEADER.search(line):
        return True
    if line.rfind(b"arn:") >= 0:  # the name of a resource
        return False
    address = line.rfind(_ADDRESS)
    if address >= 0 and not _END_OF_ADDRESS.search(line, address):
        parameter = _PARAMETER.search(line)
        return parameter is not None and _tells(words_of(parameter[1]), parameter[1])
    words = words_of(line)
    if not words.isdisjoint(_HARMLESS):
        line = _CLAUSE_ENDS.split(line)[-1]
        words = words_of(line)
    return words.isdisjoint(_HARMLESS) and _tells(words, line)


def _tells(words: set[bytes], line: bytes) -> bool:
    if not words.isdisjoint(_TELLING) or (not words.isdisjoint(_KEYS) and not words.isdisjoint(KEY_OWNERS)):
        return True
    folded = line.lower().replace(b"tokeniz", b"")
    return any(stem in folded for stem in (b"passw", b"secret", b"token", b"pwd", b"apikey"))


def words_of(text: bytes) -> set[bytes]:
    """The words of names in camel case or with underscores, in lower case."""
    if b"example." in text:
        text = _EXAMPLE_HOST.sub(b"", text)
    return {word.lower() for word in _WORDS.findall(text)}
