"""Kinds whose passwords people make up, and titles, tables and commands that tell of a secret by where it stands.

Each came through when it was first tried, in two sets made without a look at the rules. The template language
is that of `tests/secret_kinds.py`.
"""

from __future__ import annotations

MADE_UP_KINDS = {
    "spring yaml datasource": (
        "spring:\n"
        "  datasource:\n"
        "    url: jdbc:postgresql://db.example.org:5432/app\n"
        "    username: nadia\n"
        "    password: «!made up»\n"
        "    hikari:\n"
        "      maximum-pool-size: 8\n"
    ),
    "ado net": (
        '<add name="Main" connectionString="Data Source=db.example.org;Initial Catalog=Shop;User ID'
        '=nadia;Password=«!made up»;MultipleActiveResultSets=True" />\n'
    ),
    "ldap bind": (
        "uri ldap://db.example.org\nbinddn cn=reader,dc=acme,dc=io\nbindpw «!made up»\nscope sub\n"
    ),
    "sssd": (
        "[domain/corp]\n"
        "id_provider = ldap\n"
        "ldap_default_bind_dn = cn=svc\n"
        "ldap_default_authtok = «x13»\n"
        "ldap_tls_reqcert = demand\n"
    ),
    "postfix sasl by hand": "[db.example.org]:587    nadia@db.example.org:«!made up»\n",
    "fetchmail": (
        "poll db.example.org protocol IMAP user 'nadia' there with password '«!made up»' is 'nadia' here\n"
    ),
    "mutt": (
        'set imap_user = "nadia@db.example.org"\nset imap_pass = "«!made up»"\nset smtp_pass="$imap_pass"\n'
    ),
    "wpa supplicant": ('network={\n    ssid="Office"\n    psk="«!phrase»"\n    key_mgmt=WPA-PSK\n}\n'),
    "hostapd": ("interface=wlan0\nssid=guest\nwpa=2\nwpa_passphrase=«!made up»\nrsn_pairwise=CCMP\n"),
    "cisco enable by hand": ("hostname sw12\nenable secret 0 «!made up»\nno ip http server\n"),
    "cisco username": ("username nadia privilege 15 password 0 «!made up»\naaa new-model\n"),
    "juniper psk": (
        'set security ike policy p1 pre-shared-key ascii-text "«x14»"\nset security ike policy p1 mode main\n'
    ),
    "samba cred": ("username=nadia\npassword=«!made up»\ndomain=CORP\n"),
    "restic": (
        "export RESTIC_REPOSITORY=sftp:nadia@db.example.org:/backup\n"
        "export RESTIC_PASSWORD=«!phrase»\n"
        "restic backup /home\n"
    ),
    "duplicity": ('#!/bin/sh\nPASSPHRASE="«!made up»" duplicity /home scp://nadia@db.example.org//backup\n'),
    "openssl passin": "openssl rsa -in server.key -passin pass:«!made up» -out plain.key\n",
    "keytool": "keytool -genkey -alias web -keystore web.jks -storepass «!made up» -validity 360\n",
    "gradle signing": (
        "signingConfigs {\n"
        "    release {\n"
        "        storeFile file('k.jks')\n"
        "        storePassword '«!made up»'\n"
        "        keyAlias 'key0'\n"
        "    }\n"
        "}\n"
    ),
    "maven settings by hand": (
        "<server>\n"
        "  <id>nexus</id>\n"
        "  <username>nadia</username>\n"
        "  <password>«!made up»</password>\n"
        "</server>\n"
    ),
    "poetry cli": "poetry config http-basic.corp nadia «a22»\n",
    "composer auth": ('{\n  "github-oauth": {\n    "github.com": "«h40»"\n  }\n}\n'),
    "helm values": (
        "auth:\n  username: nadia\n  password: «!made up»\n  database: app\npersistence:\n  size: 8Gi\n"
    ),
    "k8s secret stringdata": ("apiVersion: v1\nkind: Secret\nstringData:\n  admin: «!made up»\n"),
    "compose env list": (
        "services:\n"
        "  db:\n"
        "    image: mariadb\n"
        "    environment:\n"
        "      - MARIADB_ROOT_PASSWORD=«!made up»\n"
        "      - TZ=UTC\n"
    ),
    "ansible vars": ("ansible_user: nadia\nansible_become_pass: «!made up»\nansible_port: 22\n"),
    "puppet": (
        "class { 'mysql::server':\n  root_password => '«!made up»',\n  remove_default_accounts => true,\n}\n"
    ),
    "chef": "default['postgresql']['password']['postgres'] = '«x13»'\n",
    "salt pillar": ("mysql:\n  server:\n    root_password: '«!made up»'\n"),
    "vagrant": ('config.vm.communicator = "winrm"\nconfig.winrm.password = "«!made up»"\n'),
    "packer": (
        '{"builders": [{"type": "vsphere", "vcenter_server": "db.example.org", "ssh_password": "«!m'
        'ade up»"}]}\n'
    ),
    "curl query key": 'curl "https://db.example.org/v1/weather?city=Berlin&appid=«a32»"\n',
    "wget auth": "wget --http-user=nadia --http-password=«!made up» https://db.example.org/file.tgz\n",
    "httpie": "http -a nadia:«!made up» https://db.example.org/me\n",
    "psql env": "PGPASSWORD=«!made up» psql -h db.example.org -U nadia -d app -c 'select 1'\n",
    "sqlplus": "sqlplus nadia/«!made up»@db.example.org:1521/ORCL @run.sql\n",
    "mongosh": (
        "mongosh --host db.example.org --username nadia --password «!made up» --authenticationDatabase admin\n"
    ),
    "sshpass": "sshpass -p '«!made up»' ssh nadia@db.example.org uptime\n",
    "expect": ('spawn ssh nadia@db.example.org\nexpect "assword:"\nsend "«!made up»\\r"\ninteract\n'),
    "autologon reg": ('"DefaultUserName"="nadia"\n"DefaultPassword"="«!made up»"\n"AutoAdminLogon"="1"\n'),
    "unattend": (
        "<AutoLogon>\n"
        "  <Password>\n"
        "    <Value>«!made up»</Value>\n"
        "    <PlainText>true</PlainText>\n"
        "  </Password>\n"
        "</AutoLogon>\n"
    ),
    "sql create user": (
        "CREATE USER 'nadia'@'%' IDENTIFIED BY '«!made up»';\nGRANT ALL ON shop.* TO 'nadia'@'%';\n"
    ),
    "oracle identified": "ALTER USER nadia IDENTIFIED BY «a12» ACCOUNT UNLOCK;\n",
    "java set": (
        'HikariConfig c = new HikariConfig();\nc.setUsername("nadia");\nc.setPassword("«!made up»");\n'
    ),
    "java drivermanager": (
        'Connection c = DriverManager.getConnection("jdbc:h2:mem:x", "nadia", "«!made up»");\n'
    ),
    "c define wifi": ('#define WIFI_SSID "home"\n#define WIFI_PASS "«!made up»"\n'),
    "arduino": ('const char* ssid = "home12";\nconst char* password = "«!made up»";\n'),
    "py requests auth": "r = requests.get('https://db.example.org/x', auth=('nadia', '«!made up»'))\n",
    "py paramiko": "ssh.connect('db.example.org', 22, 'nadia', '«!made up»')\n",
    "django databases": (
        "DATABASES = {'default': {'ENGINE': 'x', 'USER': 'nadia', 'PASSWORD': '«!made up»', 'HOST':"
        " 'db.example.org'}}\n"
    ),
    "js session": "app.use(session({ secret: '«!made up»', resave: false }));\n",
    "js mysql conn": (
        "const c = mysql.createConnection({ host: 'db.example.org', user: 'nadia', password: '«!made up»' });\n"
    ),
    "php pdo": "$db = new PDO('mysql:host=db.example.org;dbname=x', 'nadia', '«!made up»');\n",
    "php array": "'mysql' => ['user' => 'nadia', 'pass' => '«!made up»', 'port' => 3306],\n",
    "ruby db yml": ("production:\n  adapter: mysql2\n  username: nadia\n  password: «!made up»\n"),
    "ruby basic auth": 'http_basic_authenticate_with name: "nadia", password: "«!made up»"\n',
    "perl dbi": "my $dbh = DBI->connect('DBI:mysql:x', 'nadia', '«!made up»') or die;\n",
    "clojure": '(def db {:dbtype "postgres" :user "nadia" :password "«!made up»"})\n',
    "csharp field": 'private readonly string _smtpPwd = "«!made up»";\n',
    "vb net": 'Dim Kennwort As String = "«!made up»"\n',
    "delphi": "Connection.Password := '«!made up»';\n",
    "r dbconnect": (
        'con <- dbConnect(MySQL(), user = "nadia", password = "«!made up»", host = "db.example.org")\n'
    ),
    "matlab by hand": "pwd_db = '«!made up»';\n",
    "excel vba": 'ActiveSheet.Unprotect Password:="«!made up»"\n',
    "german name": 'passwort = "«!made up»"\n',
    "french name": ("mot_de_passe: «!made up»\nutilisateur: nadia\n"),
    "spanish name": 'contrasena = "«!made up»"\n',
    "portuguese name": ("SENHA_BANCO=«!made up»\nUSUARIO=nadia\n"),
    "italian name": "parola_chiave = '«!made up»'\n",
    "polish name": ('"haslo": "«!made up»",\n"uzytkownik": "nadia"\n'),
    "russian translit": "parol='«!made up»'\n",
    "dutch name": "wachtwoord=«!made up»\n",
    "header x": ("GET /v1/me HTTP/1.1\nHost: db.example.org\nX-Acme-Signature-Key: «a40»\n"),
    "log password": "INFO login user=nadia pass=«!made up» ip=10.0.0.4\n",
    "markdown note": (
        "## Staging\n- URL: https://db.example.org/\n- Login: nadia\n- Password: `«!made up»`\n"
    ),
    "comment creds": "# login with nadia / «!made up» if the sso is down\n",
    "properties camel": ("mail.smtp.host=db.example.org\nmailSenderPasswd=«!made up»\n"),
    "ini neutral section": ("[credentials]\nlogin = nadia\nvalue = «!made up»\n"),
    "hardhat accounts": "networks: { goerli: { url: 'https://db.example.org', accounts: ['0x«h64»'] } },\n",
    "ssh known pass": ("Host jump\n  HostName db.example.org\n  User nadia\n  # pw: «!made up»\n"),
    "mqtt pub": "mosquitto_pub -h db.example.org -u nadia -P «!made up» -t home/temp -m 21\n",
    "kafka jaas": (
        "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username"
        '="nadia" password="«!made up»";\n'
    ),
    "tomcat keystore": (
        '<Connector port="8443" keystoreFile="conf/k.jks" keystorePass="«!made up»" clientAuth="false"/>\n'
    ),
    "haproxy user": ("userlist admins\n  user nadia insecure-password «!made up»\n"),
    "grafana ini": ("[security]\nadmin_user = admin\nadmin_password = «!made up»\n"),
    "prometheus basic": (
        "basic_auth:\n"
        "  username: nadia\n"
        "  password: «!made up»\n"
        "static_configs:\n"
        "- targets: ['db.example.org:9100']\n"
    ),
    "logstash": (
        'output { elasticsearch { hosts => ["db.example.org"] user => "nadia" password => "«!made up»" } }\n'
    ),
    "dbt profile": ("dev:\n  type: snowflake\n  account: ab12345\n  user: nadia\n  password: «!made up»\n"),
    "ospf": ("ip ospf authentication-key «a12»\nip ospf cost 10\n"),
    "chrome csv": ("name,url,username,password\ndb.example.org,https://db.example.org/,nadia,«!made up»\n"),
    "electron": ("      CSC_LINK: cert.p12\n      CSC_KEY_PASSWORD: «!made up»\n"),
    "ldif plain": ("dn: uid=nadia,dc=acme\nobjectClass: person\nuserPassword: «!made up»\n"),
    "set password for": "SET PASSWORD FOR 'nadia'@'%' = PASSWORD('«!made up»');\n",
    "rsync pass": ("export RSYNC_PASSWORD='«!made up»'\nrsync -a x nadia@db.example.org::m\n"),
    "chpasswd by hand": 'echo "nadia:«!made up»" | chpasswd\n',
    "smbclient": "smbclient //db.example.org/share -U nadia%«!made up» -c ls\n",
    "ldapsearch": "ldapsearch -x -H ldap://db.example.org -D cn=admin -w «!made up» -b dc=acme\n",
    "freerdp": "xfreerdp /v:db.example.org /u:nadia /p:«!made up» /f\n",
    "cmdkey": "cmdkey /add:db.example.org /user:nadia /pass:«!made up»\n",
    "schtasks": "schtasks /create /tn job /tr a.exe /ru nadia /rp «!made up»\n",
    "nix": 'services.mysql.ensureUsers = [{ name = "nadia"; initialPassword = "«!made up»"; }];\n',
    "java sysprop": 'System.setProperty("https.proxyPassword", "«!made up»");\n',
    "go basicauth": 'req.SetBasicAuth("nadia", "«!made up»")\n',
    "rust basic": 'client.get(u).basic_auth("nadia", Some("«!made up»")).send()\n',
    "csharp netcred": 'var c = new NetworkCredential("nadia", "«!made up»", "CORP");\n',
    "ruby sendgrid": "  smtp_settings = { user_name: 'nadia', password: '«!made up»', port: 587 }\n",
    "swift cred": 'URLCredential(user: "nadia", password: "«!made up»", persistence: .none)\n',
    "sql upsert": "UPDATE users SET password = '«!made up»' WHERE login = 'nadia';\n",
    "prose slack": "The admin password for db.example.org is «!made up», please change it.\n",
    "prose pw colon": "VPN user: nadia, pw: «!made up»\n",
    "docstring": '"""Call with key=«a32» to get data."""\n',
    "neutral arg": "./deploy --host db.example.org --with «a30»\n",
    "snippet html": '<script src="https://maps.example.com/api/js?key=«a39»&callback=init"></script>\n',
}
