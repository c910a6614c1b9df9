"""Kinds whose passwords are words, years and replaced letters, and places that two sets of other hands brought.

Each came through when it was first tried. The template language is that of `tests/secret_kinds.py`.
"""

from __future__ import annotations

KINDS_OF_PEOPLE = {
    "env with words": "POSTGRES_DB=shop\nPOSTGRES_PASSWORD=«!two or three words»\n",
    "export with a year": "export PGPASSWORD=«!word, year and sign»\npsql -h db -U nadia shop\n",
    "yaml with a year": "mqtt:\n  broker: 10.0.0.5\n  username: nadia\n  password: «!word, year and sign»\n",
    "properties with words": "spring.datasource.username=nadia\nspring.datasource.password=«!two or three words»\n",
    "terraform with words": 'db_username = "nadia"\ndb_password = "«!two or three words»"\n',
    "json with replaced letters": '{"smtp": {"user": "nadia", "pass": "«!replaced letters»"}}\n',
    "default argument": 'def connect(host="db", user="nadia", password="«!two or three words»"):\n    ...\n',
    "elixir fallback": "'password' => env('DB_PASSWORD', '«!two or three words»'),\n",
    "cloudformation parameter": (
        "Parameters:\n  MasterUserPassword:\n    Type: String\n    Default: «!replaced letters»\n"
    ),
    "arm parameter": '"adminPassword": {\n  "type": "securestring",\n  "defaultValue": "«!word, year and sign»"\n}\n',
    "redis server": "command: redis-server --requirepass «a9» --appendonly yes\n",
    "ssh-keygen": "ssh-keygen -t ed25519 -N '«!replaced letters»' -f ~/.ssh/id_nadia\n",
    "signtool with words": "signtool sign /f c.pfx /p «!two or three words» /t http://ts.example.org app.exe\n",
    "net use with words": "net use Z: \\\\nas\\share /user:nadia «!two or three words»\n",
    "netrc with words": "machine git.example.org\n  login nadia\n  password «!words and digits at the end»\n",
    "chap secrets": '*   xl2tpd   "«a18»"   *\n',
    "radtest": "radtest nadia «a16» 192.168.9.1 0 testing\n",
    "composer basic": "composer config http-basic.repo.example.org nadia «h32»\n",
    "sonar login": "sonar-scanner -Dsonar.host.url=https://s.example.org -Dsonar.login=«a14»\n",
    "sequelize": "const db = new Sequelize('shop', 'nadia', '«!replaced letters»', { dialect: 'postgres' });\n",
    "cookie parser": 'app.use(cookieParser("«!words and digits at the end»"));\n',
    "cookie session": "app.use(cookieSession({ name: 's', keys: ['«a16»'], maxAge: 3600 }))\n",
    "mqtt client": 'client.username_pw_set("nadia", "«!word, year and sign»")\n',
    "pika": "credentials = pika.PlainCredentials('nadia', '«!words and digits at the end»')\n",
    "mysqli": "$link = mysqli_connect('localhost', 'nadia', '«!words and digits at the end»') or die();\n",
    "user of a test": 'User admin = new User("nadia", "«!word, year and sign»", Role.ADMIN);\n',
    "requests": 'r = requests.get(url, auth=("nadia", "«!word, year and sign»"), timeout=10)\n',
    "jinja password hash": "    password: \"{{ '«!replaced letters»' | password_hash('sha512') }}\"\n",
    "random password of a state": (
        '      "type": "random_password",\n      "instances": [{\n        "attributes": {\n'
        '          "length": 16,\n          "result": "«a16»"\n'
    ),
    "bytes of a string": 'static readonly byte[] Key = Encoding.UTF8.GetBytes("«!noise»");\n',
    "key of a block": '  "Jwt": {\n    "Issuer": "https://example.org",\n    "Key": "«!noise»"\n  }\n',
    "key of a block in hex": '"Jwt": {\n  "Issuer": "https://example.org",\n  "Key": "«h64»"\n}\n',
    "django secret key": 'SECRET_KEY = os.environ.get("DJANGO_KEY", "$«!noise»")\n',
    "fernet": "from cryptography.fernet import Fernet\nkey = b'«w43»='\nf = Fernet(key)\n",
    "cipher": "$key = '«h32»';\n$enc = openssl_encrypt($data, 'aes-256-cbc', $key, 0, $iv);\n",
    "rails master key": "# config/master.key\n«h32»\n",
    "number of a network": '#define STASSID "office"\n#define STAPSK "«d20»"\n',
    "webhook in hex": "webhook_secret: «h20»\n",
    "token that a person made": '[registry]\ntoken = "«!word, year and sign»"\n',
    "key that a person made": 'const API_KEY: &str = "«!word, year and sign»";\n',
    "rust fallback": 'let s = env::var("JWT_SECRET").unwrap_or_else(|_| "«a15»".to_string());\n',
    "ldap authtok": "ldap_default_bind_dn = cn=svc\nldap_default_authtok = «!word, year and sign»\n",
    "url with two signs": "mysql://nadia:«a6»#«a4»@«a5»@db.example.org/shop\n",
    "Java connection over lines": (
        'c = DriverManager.getConnection(\n    "jdbc:mysql://db/x", "root", "«!replaced letters»");\n'
    ),
    "Perl connection over lines": (
        "my $dbh = DBI->connect($dsn,\n    'nadia', '«!word, year and sign»', { RaiseError => 1 });\n"
    ),
    "key of a notebook": r"""    "!echo '{\"username\":\"nadia\",\"key\":\"«h32»\"}' > ~/.kaggle/kaggle.json",""",
    "init of a client": 'mixpanel.init("«h32»")\n',
}
