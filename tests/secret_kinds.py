"""Secrets as they stand in repositories: a table of surroundings, and seeded values put into them.

A kind is a name and a text; in the text `«x16»` is a secret of 16 characters of the alphabet `x` of `ALPHABETS`
(`«x12-20»`: of 12 to 20), and `«!name»` one that a function of `MAKERS` draws. Nothing here is a real secret.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

LOWER, UPPER, DIGITS, HEX = string.ascii_lowercase, string.ascii_uppercase, string.digits, "0123456789abcdef"
ALPHABETS = {
    "a": LOWER + UPPER + DIGITS,
    "l": LOWER,
    "n": LOWER + DIGITS,
    "d": DIGITS,
    "h": HEX,
    "H": HEX.upper(),
    "u": UPPER + DIGITS,
    "w": LOWER + UPPER + DIGITS + "-_",
    "b": LOWER + UPPER + DIGITS + "+/",
    "x": LOWER + UPPER + DIGITS + "!#%*+.@^_-",
}
WORDS = (  # of BIP 39's English list
    "abandon ability able about above absent absorb abstract absurd abuse access accident account accuse achieve acid "
    "legal winner thank year wave sausage worth useful yellow ocean lamp zebra zone tiger thumb tobacco toddler token "
    "tomato tone tongue tool tooth top topic topple torch tornado tortoise toss total tourist toward tower town toy"
).split()


@dataclass(frozen=True, slots=True)
class Planted:
    """`text` holds every one of `secrets`, none of which may be left in it."""

    kind: str
    text: str
    secrets: tuple[str, ...]


def draw(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def wrapped(rng: random.Random, num_lines: int, separator: str, width: int = 64) -> str:
    return separator.join(draw(rng, ALPHABETS["b"], width) for _ in range(num_lines))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def pem(rng: random.Random, label: str = "RSA PRIVATE KEY", num_lines: int = 6) -> str:
    return f"-----BEGIN {label}-----\n{wrapped(rng, num_lines, chr(10))}\n-----END {label}-----\n"


def jwt(rng: random.Random) -> str:
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).decode().rstrip("=")
    body = base64.urlsafe_b64encode(json.dumps({"sub": draw(rng, LOWER, 12)}).encode()).decode().rstrip("=")
    return f"{head}.{body}.{draw(rng, ALPHABETS['a'], 43)}"


def uuid(rng: random.Random) -> str:
    return "-".join(draw(rng, HEX, count) for count in (8, 4, 4, 4, 12))


_CHOSEN = tuple("sommer banana dragon rocket castle summit maple cookie shadow papaya quartz saturn".split())


def named_choice(rng: random.Random) -> str:
    """A password that only its name tells from a name: words, few digits or none."""
    one, other = rng.sample(
        ("copper", "forest", "glacier", "lantern", "nectar", "velvet", "whisper", "zephyr"), 2
    )
    number = rng.randrange(10, 10_000)
    forms = (f"{one.title()}{other.title()}!", f"{one.upper()}{number}", f"{one}{other}{number % 100}")
    return rng.choice(
        (*forms, f"{one.title()}.{other}.{10 + number % 90}", f"{one.title()}{number}{other[:2].upper()}?")
    )


def made_up(rng: random.Random) -> str:
    """A password as people choose it."""
    one, two, number, year = (
        rng.choice(_CHOSEN),
        rng.choice(_CHOSEN),
        rng.randrange(10, 100),
        rng.randrange(1960, 2030),
    )
    return rng.choice(
        (
            f"{one.title()}{year}{rng.choice('!#?*')}",
            f"{one}{number}{rng.randrange(10)}",
            f"Nadia_{two}{number}",
            one.replace("a", "4").replace("e", "3").replace("o", "0") + f"{rng.choice('!$%')}{year}",
            f"{one.title()}{two.title()}{rng.randrange(10)}",
            f"luis{year}{two}",
            f"{one.title()}-{two}-{number}",
        )
    )


def two_or_three_words(rng: random.Random) -> str:
    words = [rng.choice(_CHOSEN) for _ in range(3)]
    return words[0] + "".join(rng.choice("-_.") + word for word in words[1:])


def replaced_letters(rng: random.Random) -> str:
    """As in `dr4g0n!95`."""
    word = rng.choice(_CHOSEN).translate(str.maketrans("aeio", "4310"))
    return f"{word}{rng.choice(('!', '@', '%', '#'))}{rng.randrange(10, 9999)}"


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "jwt": jwt,
    "uuid": uuid,
    "basic": lambda rng: _base64(f"deploy:{draw(rng, ALPHABETS['a'], 18)}"),
    "pem64": lambda rng: _base64(pem(rng)),
    "base64 password": lambda rng: _base64(draw(rng, ALPHABETS["x"], 15)),
    "32 bytes": lambda rng: base64.b64encode(rng.randbytes(32)).decode(),
    "64 bytes": lambda rng: base64.b64encode(rng.randbytes(64)).decode(),
    "lines": lambda rng: wrapped(rng, 6, "\n"),
    "short lines": lambda rng: wrapped(rng, 3, "\n"),
    "escaped lines": lambda rng: wrapped(rng, 6, "\\n"),
    "quoted lines": lambda rng: wrapped(rng, 5, '\\n" +\n    "'),
    "indented lines": lambda rng: wrapped(rng, 5, "\n      "),
    "commented lines": lambda rng: wrapped(rng, 5, "\n# "),
    "words": lambda rng: " ".join(rng.choice(WORDS) for _ in range(rng.choice((12, 24)))),
    "spaced": lambda rng: (
        f"{draw(rng, ALPHABETS['a'], 6)} {draw(rng, ALPHABETS['a'], 7)}! {draw(rng, DIGITS, 3)}"
    ),
    "word and year": lambda rng: (
        f"{rng.choice(('Sommer', 'Dragon', 'Falcon', 'Monkey', 'Winter'))}{rng.randrange(1950, 2030)}"
        f"{rng.choice('!?#$%')}"
    ),
    "words and digits": lambda rng: (
        f"{rng.choice(('Tiger', 'Maple', 'Rocket', 'Silver'))}{rng.choice(('Harbor', 'Coffee', 'Summit'))}"
        f"{rng.randrange(10, 10_000)}{rng.choice('!#*$.')}"
    ),
    "made up": lambda rng: made_up(rng),
    "named choice": lambda rng: named_choice(rng),
    "two or three words": two_or_three_words,
    "replaced letters": replaced_letters,
    "word, year and sign": lambda rng: (
        f"{rng.choice(_CHOSEN).capitalize()}{rng.randrange(1960, 2030)}{rng.choice('-_.!*')}"
    ),
    "words and digits at the end": lambda rng: f"{two_or_three_words(rng)}{rng.randrange(1, 99)}",
    "noise": lambda rng: draw(rng, ALPHABETS["a"] + "!*^-_@", 32) + "k9!Q*e",
    "bcrypt": lambda rng: f"$2y$10${draw(rng, ALPHABETS['a'] + './', 53)}",
    "phrase": lambda rng: "-".join(rng.choice(_CHOSEN) for _ in range(4)),
    "salt": lambda rng: draw(rng, ALPHABETS["x"] + "()[]{}<>;:,?|&=", 63) + "k",
    "crypt": lambda rng: f"$2y$10${draw(rng, ALPHABETS['a'], 53)}",
    "apr1": lambda rng: f"$apr1${draw(rng, ALPHABETS['a'], 8)}${draw(rng, ALPHABETS['a'], 22)}",
    "telegram": lambda rng: f"{rng.randrange(10**9, 10**10)}:AA{draw(rng, ALPHABETS['w'][:-2], 33)}",
    "wif": lambda rng: (
        f"5{rng.choice('HJK')}{draw(rng, ALPHABETS['a'].translate(str.maketrans('', '', '0OIl')), 49)}"
    ),
    "xprv": lambda rng: "xprv" + draw(rng, ALPHABETS["a"].translate(str.maketrans("", "", "0OIl")), 107),
    "bytes": lambda rng: ", ".join(f"0x{rng.randrange(256):02x}" for _ in range(32)),
    "long": lambda rng: draw(rng, ALPHABETS["a"], rng.randrange(300, 3000)),
}

KINDS: dict[str, str] = {
    # programs
    "Python password": 'password = "«x14»"\n',
    "Python lower-case password": 'db_password = "«l12»"\n',
    "Python word and year": 'PASSWORD = "«!word and year»"\n',
    "Python short password": "passwd='«a10»'\n",
    "Python password with spaces": 'password = "«!spaced»"\n',
    "Python default": 'key = os.environ.get("API_KEY") or "«a32»"\n',
    "Python getenv": 'token = os.getenv("SLACK_TOKEN", "«a32»")\n',
    "Python login": 'smtp.login("me@example.org", "«x14»")\n',
    "Python auth pair": 'requests.get(url, auth=("admin", "«x12»"))\n',
    "Python header": 'headers = {"X-Auth-Token": "«a32»"}\n',
    "Python concatenation": 'api_key = ("«a20»"\n           "«a20»")\n',
    "Python bytes": 'SECRET = b"«h40»"\n',
    "Python triple quotes": 'token = """«a40»"""\n',
    "Python comparison": 'if password == "«x12»":\n    login()\n',
    "Python comment": "# password: «a14»\n",
    "Django": 'SECRET_KEY = "django-insecure-«x50»"\n',
    "Flask": 'app.config["SECRET_KEY"] = "«h48»"\n',
    "JavaScript": 'const apiKey = "«a32»";\n',
    "JavaScript object": "  clientSecret: '«w32»',\n",
    "JavaScript fallback": "const secret = process.env.JWT_SECRET || '«n24»';\n",
    "JavaScript private key": 'accounts: ["0x«h64»"],\n',
    "TypeScript": "private readonly authToken: string = '«a40»';\n",
    "Angular environment": "  firebase: { apiKey: '«w39»' },\n",
    "Go": 'const apiKey = "«a32»"\n',
    "Go struct": '\tPassword: "«x14»",\n',
    "Go call": 'client.SetBasicAuth("svc", "«x14»")\n',
    "Rust": 'const API_TOKEN: &str = "«a40»";\n',
    "Java": 'private static final String DB_PASSWORD = "«x14»";\n',
    "Java annotation": '@Value("${api.key:«a32»}")\n',
    "Java connection": 'DriverManager.getConnection(url, "root", "«x12»");\n',
    "Kotlin": 'val apiSecret = "«a32»"\n',
    "Swift": 'let clientSecret = "«a32»"\n',
    "C define": '#define WIFI_PASSWORD "«a12»"\n',
    "C array": 'static const char auth_token[] = "«h40»";\n',
    "C#": 'public string ApiKey { get; set; } = "«a32»";\n',
    "C# connection": 'var cs = "Server=db;Database=app;User Id=sa;Password=«x14»;Encrypt=true";\n',
    "ODBC": 'conn = "DRIVER={ODBC};SERVER=db;UID=sa;PWD=«x12»"\n',
    "PHP": "$db_pass = '«x12»';\n",
    "PHP define": "define('AUTH_KEY', '«x64»');\n",
    "PHP array": "    'password' => '«x12»',\n",
    "PHP PDO": "$pdo = new PDO($dsn, 'root', '«x12»');\n",
    "Ruby": "config.secret_key = '«h128»'\n",
    "Ruby symbol": "  :password => '«x12»',\n",
    "Perl": "my $password = '«x12»';\n",
    "Lua": 'local api_key = "«a32»"\n',
    "Elixir": 'config :app, secret_key_base: "«a64»"\n',
    "PowerShell": '$env:API_KEY = "«a32»"\n',
    "PowerShell secure string": 'ConvertTo-SecureString "«x14»" -AsPlainText -Force\n',
    "VB": 'Dim strPassword As String = "«x12»"\n',
    "R": 'Sys.setenv(API_KEY = "«a32»")\n',
    "Dart": "const String apiKey = '«a32»';\n",
    # settings
    ".env": "DB_PASSWORD=«x14»\n",
    ".env quoted": 'JWT_SECRET="«a48»"\n',
    ".env lower case": "MAIL_PASSWORD=«l14»\n",
    ".env PASS": "SMTP_PASS=«a12»\n",
    ".env PW": "ADMIN_PW=«a12»\n",
    "Laravel": "APP_KEY=base64:«!32 bytes»\n",
    "Rails": "  secret_key_base: «h128»\n",
    "Rails master key": "RAILS_MASTER_KEY=«h32»\n",
    "YAML": "  password: «x14»\n",
    "YAML quoted": "api_key: '«a32»'\n",
    "YAML block": "token: |\n  «a40»\n",
    "YAML folded": "secret: >-\n  «a40»\n",
    "YAML list": "  - API_TOKEN=«a32»\n",
    "JSON": '{"password": "«x14»"}\n',
    "JSON pair": '{"key": "apikey", "value": "«a32»", "type": "string"}\n',
    "JSON name": '{"name": "DB_PASSWORD", "value": "«x14»"}\n',
    "JSON in a string": 'payload = "{\\"client_secret\\": \\"«a32»\\"}"\n',
    "TOML": 'token = "«a40»"\n',
    "INI": "[database]\npassword = «x14»\n",
    "properties": "spring.datasource.password=«x14»\n",
    "properties keystore": "storePassword=«a12»\n",
    "XML element": "<password>«x14»</password>\n",
    "XML attribute": '<add key="ApiKey" value="«a32»" />\n',
    "XML property": '<property name="hibernate.connection.password">«a14»</property>\n',
    "XML attribute of itself": '<user username="tomcat" password="«a12»" roles="admin"/>\n',
    "Maven settings": "<server>\n  <id>repo</id>\n  <username>ci</username>\n  <password>«a16»</password>\n</server>\n",
    "web.config": '<machineKey validationKey="«H128»" decryptionKey="«H64»" />\n',
    "plist": "<key>ClientSecret</key>\n<string>«a32»</string>\n",
    "Android": '<string name="maps_api_key">«a39»</string>\n',
    "Gradle": 'signingConfigs { release { storePassword "«a12»" } }\n',
    "Gradle field": 'buildConfigField("String", "API_KEY", "\\"«a32»\\"")\n',
    "Terraform": 'resource "x" "y" {\n  password = "«x14»"\n}\n',
    "Terraform default": 'variable "db_password" {\n  type    = string\n  default = "«x14»"\n}\n',
    "Kubernetes env": '        - name: API_TOKEN\n          value: "«a40»"\n',
    "Kubernetes secret": "kind: Secret\nmetadata:\n  name: app\ndata:\n  password: «!base64 password»\n",
    "Kubernetes string data": "kind: Secret\nstringData:\n  token: «a32»\n",
    "Kubernetes key": "data:\n  tls.key: «!pem64»\n",
    "kubeconfig": "users:\n- name: admin\n  user:\n    client-key-data: «!pem64»\n",
    "kubeconfig token": "    token: «!jwt»\n",
    "Helm": "auth:\n  rootPassword: «a16»\n",
    "compose": "    environment:\n      MYSQL_ROOT_PASSWORD: «a14»\n",
    "compose list": "      - POSTGRES_PASSWORD=«a14»\n",
    "Dockerfile": "ENV API_KEY «a32»\n",
    "Dockerfile equals": "ENV DB_PASSWORD=«a14»\n",
    "Ansible": "ansible_become_pass: «a14»\n",
    "GitHub Actions": "        env:\n          NPM_TOKEN: «a36»\n",
    "GitLab CI": "variables:\n  DEPLOY_TOKEN: «a20»\n",
    "Jenkins": "<secret>«a32»</secret>\n",
    "nginx": 'proxy_set_header Authorization "Bearer «a40»";\n',
    "WireGuard": "PrivateKey = «!32 bytes»\n",
    "wpa_supplicant": 'network={\n  ssid="home"\n  psk="«a12»"\n}\n',
    "Cisco": "username admin password 0 «a12»\n",
    "my.cnf": "[client]\nuser=root\npassword=«a12»\n",
    "ssh sshpass": "sshpass -p '«x12»' ssh root@10.0.0.5\n",
    # credential files
    "netrc": "machine api.example.org login bob password «a14»\n",
    "netrc lines": "machine api.example.org\n  login bob\n  password «a14»\n",
    "pgpass": "db.example.org:5432:app:app_user:«a14»\n",
    "npmrc": "//registry.npmjs.org/:_authToken=«a36»\n",
    "npmrc auth": "_auth=«!basic»\n",
    "pypirc": "[pypi]\nusername = me\npassword = «a16»\n",
    "docker config": '{"auths": {"https://index.docker.io/v1/": {"auth": "«!basic»"}}}\n',
    "htpasswd": "admin:«!apr1»\n",
    "htpasswd bcrypt": "admin:«!crypt»\n",
    "AWS credentials": "[default]\naws_access_key_id = AKIA«u16»\naws_secret_access_key = «b40»\n",
    "git credentials": "https://bob:«a20»@git.example.org\n",
    "service account": '{"private_key_id": "x1", "private_key": "-----BEGIN PRIVATE KEY-----\\n«!escaped lines»\\n-----END PRIVATE KEY-----\\n"}\n',
    "JWK": '{"kty": "EC", "crv": "P-256", "x": "abc", "y": "def", "d": "«w43»"}\n',
    # keys
    "PEM": "-----BEGIN RSA PRIVATE KEY-----\n«!lines»\n-----END RSA PRIVATE KEY-----\n",
    "PEM without an end": "-----BEGIN EC PRIVATE KEY-----\n«!lines»\n",
    "PEM in a comment": "# -----BEGIN PRIVATE KEY-----\n# «!commented lines»\n",
    "PEM indented": "key: |\n      -----BEGIN OPENSSH PRIVATE KEY-----\n      «!indented lines»\n      -----END OPENSSH PRIVATE KEY-----\n",
    "PEM in parts": 'k = "-----BEGIN PRIVATE KEY-----\\n" +\n    "«!quoted lines»\\n" +\n    "-----END PRIVATE KEY-----"\n',
    "SSH2": '---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: "k"\n«!lines»\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\n',
    "PuTTY": "PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: k\nPublic-Lines: 1\nAAAAB3NzaC1yc2E=\nPrivate-Lines: 3\n«!short lines»\nPrivate-MAC: 00\n",
    "PGP": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\n\n«!lines»\n=aB3d\n-----END PGP PRIVATE KEY BLOCK-----\n",
    "age": "AGE-SECRET-KEY-1«u58»\n",
    "PKCS 8 without a frame": 'privateKey = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj«b400»"\n',
    "key store": 'p12_base64: "MIIKXAIBAzCCCiI«b400»"\n',
    # wallets
    "Ethereum": "PRIVATE_KEY=0x«h64»\n",
    "Ethereum without 0x": "DEPLOYER_PRIVATE_KEY=«h64»\n",
    "WIF": 'wif = "«!wif»"\n',
    "xprv": 'master = "«!xprv»"\n',
    "mnemonic": 'mnemonic: "«!words»"\n',
    "seed phrase": "SEED_PHRASE=«!words»\n",
    # addresses
    "postgres": "DATABASE_URL=postgres://app:«a16»@db:5432/app\n",
    "mysql": 'engine = create_engine("mysql+pymysql://root:«x12»@localhost/app")\n',
    "mongodb": "mongodb+srv://app:«a15»@cluster0.example.net/test\n",
    "redis": "redis://:«a20»@cache:6379/0\n",
    "amqp": "amqp://svc:«a14»@mq:5672/\n",
    "jdbc": "jdbc:mysql://db/x?user=root&password=«a12»\n",
    "token as user": "git clone https://«a40»@git.example.org/o/r.git\n",
    "oauth2 user": "https://oauth2:«a20»@gitlab.example.org/x.git\n",
    "hash in password": "postgres://app:«a8»#«a6»@db/app\n",
    "query": 'url = "https://api.example.org/v1?api_key=«a32»&q=1"\n',
    "SAS": "https://acct.blob.core.windows.net/c?sv=2022-11-02&sig=«a42»%3D\n",
    "Azure storage": "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=«!64 bytes»;EndpointSuffix=core.windows.net\n",
    "service bus": "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=«!32 bytes»\n",
    "Slack webhook": "https://hooks.slack.com/services/T«u8»/B«u8»/«a24»\n",
    "Sentry DSN": "SENTRY_DSN=https://«h32»@o123456.ingest.sentry.io/1234567\n",
    # commands and headers
    "curl user": "curl -u admin:«x12» https://api.example.org\n",
    "curl header": 'curl -H "Authorization: Bearer «a40»" https://api.example.org\n',
    "curl token": "curl -H 'Authorization: token «h40»' https://api.example.org\n",
    "curl key": "curl -H 'X-Api-Key: «a32»' https://api.example.org\n",
    "HTTP basic": "Authorization: Basic «!basic»\n",
    "HTTP digest of a cookie": "Cookie: sessionid=«n32»; theme=dark\n",
    "set cookie": "Set-Cookie: JSESSIONID=«H32»; Path=/; HttpOnly\n",
    "mysql client": "mysql -u root -p«a12» shop < dump.sql\n",
    "PGPASSWORD": "PGPASSWORD=«a12» psql -h db -U app\n",
    "docker login": "docker login -u bot -p «a20» registry.example.org\n",
    "echo docker login": "echo «a20» | docker login --password-stdin -u bot\n",
    "redis-cli": "redis-cli -h cache -a «a16» ping\n",
    "option": "tool --password «a12» --verbose\n",
    "option equals": "tool --api-key=«a32»\n",
    "export": "export GITHUB_TOKEN=«a40»\n",
    "fish": "set -x API_KEY «a32»\n",
    "batch": "set DB_PASSWORD=«a12»\n",
    "openssl": "openssl rsa -in k.pem -passin pass:«a12»\n",
    "chpasswd": "echo 'root:«a12»' | chpasswd\n",
    "here-document": "cat > .env <<EOF\nAPI_SECRET=«a32»\nEOF\n",
    "SQL user": "CREATE USER app WITH PASSWORD '«x12»';\n",
    "SQL identified": "CREATE USER 'app'@'%' IDENTIFIED BY '«x12»';\n",
    "SQL login": "CREATE LOGIN sa WITH PASSWORD = N'«x12»';\n",
    "SQL insert": "INSERT INTO users (name, password) VALUES ('bob', '«x12»');\n",
    "log": "2024-05-01 12:00:00 INFO login user=bob password=«a12» ok\n",
    "prose": "The admin password is «a14» for now.\n",
    # names in other languages, vendors by name
    "German": 'passwort = "«a12»"\n',
    "German 2": "kennwort: «a12»\n",
    "Spanish": 'contraseña = "«a12»"\n',
    "Spanish 2": 'clave_secreta = "«a16»"\n',
    "French": 'mot_de_passe = "«a12»"\n',
    "Portuguese": 'senha = "«a12»"\n',
    "Dutch": 'wachtwoord = "«a12»"\n',
    "Polish": 'haslo = "«a12»"\n',
    "Heroku": "HEROKU_API_KEY=«!uuid»\n",
    "Datadog": "DD_API_KEY: «h32»\n",
    "Cloudflare": 'CF_API_TOKEN = "«w40»"\n',
    "Algolia": "algolia = '«h32»'\n",
    "Twilio": 'TWILIO_AUTH_TOKEN = "«h32»"\n',
    "Telegram": 'bot = Bot("«!telegram»")\n',
    "license": 'license_key = "«u5»-«u5»-«u5»-«u5»-«u5»"\n',
    "OTP": 'totp_secret = "«u32»"\n',
    "HMAC": 'hmac_key = "«h64»"\n',
    "AES": 'AES_KEY = "«h32»"\n',
    "AES base64": 'encryptionKey: "«!32 bytes»"\n',
    "long token": 'access_token = "«!long»"\n',
    "Jupyter": '"source": [\n    "api_key = \\"«a32»\\"\\n"\n]\n',
    "Postman": '{"key": "token", "value": "«a40»", "type": "string"}\n',
    "HAR": '{"name": "Authorization", "value": "Bearer «a40»"}\n',
    "CSV": "username,password\nbob,«a14»\n",
    "JWT": "let t = '«!jwt»'\n",
}

_SECRET = re.compile(r"«(?:!(?P<maker>[^»]+)|(?P<alphabet>\w)(?P<least>\d+)(?:-(?P<most>\d+))?)»")


def plant(kind: str, template: str, rng: random.Random) -> Planted:
    secrets: list[str] = []

    def value(match: re.Match[str]) -> str:
        if match["maker"]:
            made = MAKERS[match["maker"]](rng)
        else:
            least = int(match["least"])
            made = draw(rng, ALPHABETS[match["alphabet"]], rng.randint(least, int(match["most"] or least)))
            if made[-1] in "-_.!@#%^*+":  # where such a one ends nobody could say
                made = made[:-1] + "q"
        secrets.append(made)
        return made

    return Planted(kind, _SECRET.sub(value, template), tuple(secrets))


def planted(kinds: dict[str, str], *, seed: int, num_values: int) -> Iterator[Planted]:
    """`num_values` texts of every kind."""
    for kind, template in kinds.items():
        for number in range(num_values):
            yield plant(kind, template, random.Random(f"{seed} {kind} {number}"))


def is_left(secret: str, redacted: str) -> bool:
    """Whether the secret, or a line of 6 characters or more of it, still stands in the text."""
    return any(
        len(part) > 5 and part in redacted
        for part in re.split(r"\\n|\n|\"", secret)
        for part in [part.strip(" #+")]
    )
