"""Secrets known by where they stand, a table: in a URL, a header, a call, a command, in the files that tools keep them in.

A row is three lines: `rule | anchors | test | how`, the expression, an example with § for the value. Anchors are the
first 3 to 8 bytes of what the expression begins with, in any case; `·` is a space. The test is one of `TESTS`, asked of
the group "secret". How: `word` means that no letter stands before the anchor, `before` that the expression ends at the
anchor, and anything else must stand within the next 400 bytes for the expression to be asked at all. «word», «to» and
the like are of `MACROS`. tests/test_secret_kinds.py draws a value for every example, and puts placeholders there.
"""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.chance import alternates, num_classes
from effectiveness.corpus.secrets.chosen import is_chosen
from effectiveness.corpus.secrets.rules import Rule, find_near, is_varied
from effectiveness.corpus.secrets.values import (
    is_drawn_key,
    is_drawn_password,
    is_login,
    is_mixed,
    is_mixed_or_chosen,
    is_noise,
    is_short_material,
    is_url_password,
)

TESTS = {
    "any": lambda match: True,
    "varied": is_varied,
    "alternating": lambda match: is_varied(match) and alternates(match["secret"]),
    "mixed": lambda match: (
        is_varied(match) and num_classes(match["secret"]) >= 3 and is_mixed(match["secret"])
    ),
    "login": lambda match: is_login(match["secret"]),
    "url": lambda match: is_url_password(match["secret"]),
    "drawn": lambda match: is_drawn_password(match["secret"]),
    "drawn token": lambda match: is_drawn_password(match["secret"]) and alternates(match["secret"]),
    "typed": lambda match: is_drawn_password(match["secret"]) and is_mixed_or_chosen(match["secret"]),
    "drawn key": lambda match: is_drawn_key(match["secret"]),
    "noise": lambda match: is_noise(match["secret"]),
    "short": lambda match: is_chosen(match["secret"]) or is_short_material(match["secret"]),
}
MACROS = {
    "word": rb"(?P<quote>[\"'])?(?P<secret>(?(quote)[^\s\"']{5,256}|[^\s\"'`;|&<>]{5,256}+))(?(quote)(?P=quote))",
    "line": rb"(?P<secret>[^\s:]{6,128}+)[ \t]*$",
    "quoted": rb"[\"'](?P<secret>[^\s\"']{6,128})[\"']",
    "to": rb"\b(?:\\\n|[^\n]){0,300}?[ \t]",
    "user": rb"[\w.@+\\-]{1,64}",
    "host": rb"[\w.:*@\[\]-]{1,80}",
    "part": rb"[^\s:/?#@\"'`<>(){}\[\]\\]",
}

TABLE = r"""
password in a URL | :// | url | @
(?<=[A-Za-z0-9])://«part»{0,64}+:(?P<secret>[^\s:/?#"'`<>(){}\[\]\\]{3,256})@[A-Za-z0-9\[$%_{-]
postgres://app:§@db/app

password in a URL | :// | drawn | @
(?<=[A-Za-z0-9])://«part»{1,64}+:(?P<secret>[^\s"'`<>\\/@]{6,128}[^\s"'`<>\\/:@]{0,64}(?:@[^\s"'`<>\\/:@?&=]{1,32}(?=@))?)@[A-Za-z0-9\[]
amqp://app:§@mq/

password in a URL | :// | drawn token | @
(?<=[a-z])://(?P<secret>[\w.~-]{16,256}+)(?::|:x-oauth-basic)?@[A-Za-z0-9]
https://§8rT2xQ0z9LmV@git.acme.io/a/b

password in a URL | @tcp( @unix( | url | before
(?:^|["'`\s=(])[\w.-]{1,32}:(?P<secret>[^\s:"'`/@]{5,128})$
dsn := "root:§@tcp(127.0.0.1:3306)/shop"

password in a URL | :thin: | drawn
:thin:«user»/(?P<secret>[^\s/@"']{5,64})@
jdbc:oracle:thin:app/§@db:1521:XE

Discord webhook | /webhook | varied
/webhooks/(?P<secret>[0-9]{15,21}/[\w-]{60,80})(?![\w-])

webhook | /webhook | varied
/webhookb2/(?P<secret>[0-9a-z@-]{36,80}/IncomingWebhook/[0-9a-z]{32}/[0-9a-z-]{36})

webhook | hook/ hooks/ hook. hooks. hook_ hooks_ hookb | mixed
(?i:hooks?)[.\w]{0,40}/(?:[\w.-]{1,40}/){0,5}(?P<secret>[A-Za-z0-9_-]{20,128}+)(?![\w.])

signature in a URL | sig= sig% nature= nature% ?code= &code= | alternating
(?i)(?:(?<=[?&;])sig|(?<=[?&;-]sig)nature|[?&]code)(?:=|%3D)(?P<secret>[\w%+/.~-]{32,512}+={0,2})

bearer token | bear | alternating
(?i:bearer)(?:[ ]{1,2}|%20)(?P<secret>[\w.~+/-]{14,2048}+={0,16})(?!\w)

basic authorization | basic· basic" basic' | login
(?i:basic)(?:["'],)?[ ]{1,2}["']?(?P<secret>[A-Za-z0-9+/]{8,512}+={0,2})(?!\w)

authorization header | orizatio | alternating
(?i:orization)["']?\]?[ ]{0,2}[:=,][ ]{0,2}["']?(?i:token|apikey|key|digest|jwt|basic)?[ ]{0,2}(?:token=)?["']?(?P<secret>[\w.~+/-]{16,2048}+={0,2})(?!\w)

session cookie | session= session_ sessioni sessiont sessionk session- sess= sessid sess_ _sid= .sid= csrf_tok csrf-tok csrftoke xsrf-tok remember | alternating
(?i)[a-z_.-]{0,12}(?:sess(?:ion)?[_-]?(?:id|token|key)?|[._]sid|csrf[_-]?token|xsrf-token|remember_(?:me|token))=(?:s%3A)?(?P<secret>[\w%+/.-]{16,1024}+={0,2})

session cookie | phpsess jsession session_ sessioni sessid \tsid\t | alternating
(?i)(?:(?:php)?sess(?:ion)?[_-]?id|jsessionid|\tsid)\t(?P<secret>[\w%+/.-]{16,1024}+={0,2})

basic authorization | btoa( er.from( 64encode | drawn
(?:btoa|(?<=Buff)er\.from|64encode)\(b?["'][\w.@+-]{1,64}:(?P<secret>[^\s"']{6,128})["']
btoa("bob:§")

characters of a password | .toChara | drawn | before
"(?P<secret>[^\s"]{6,128})"$
load(in, "§".toCharArray());

AWS secret key | AKIA ASIA | varied
A[KS]IA[A-Z0-9]{16}[^\w+/=]{1,16}(?P<secret>[A-Za-z0-9+/]{40})(?![\w+/=])

AWS secret key | AKIA ASIA | varied
A[KS]IA[A-Z0-9]{16}["']?[,;)]?\s{0,24}[\w"'.:= -]{0,40}?(?i:secret|key)[\w"'.-]{0,24}[ =:>]{1,4}["']?(?P<secret>[A-Za-z0-9+/]{40})(?![\w+/=])

Azure storage key | key= | varied
(?i:(?<=account)key=)(?P<secret>[A-Za-z0-9+/]{84,88}==)

Azure access key | key= | varied
(?i:(?<=access)key=)(?P<secret>[A-Za-z0-9+/]{43}=)

password hash | $krb5 $8$ $2a$ $2b$ $2y$ $apr $6$ $5$ $y$ $1$ {SHA {SSH $arg | varied
(?<![\w$])(?P<secret>\$(?:krb5[\w$.@/*-]{24,2000}|2[aby]\$[0-9]{2}\$[\w./]{53}|(?:apr1|[1568y])\$(?:rounds=\d{1,9}\$)?[\w./=$]{4,16}\$[\w./$]{20,120}|argon2id?\$[\w$=,+/]{40,200})|(?<=:)\{S?SHA[0-9]{0,3}\}[A-Za-z0-9+/]{24,120}={0,2})

password hash | $1$ $5$ $6$ $8$ $9$ $2y$ | varied
(?<=[ :"'=][0-9: "'])(?P<secret>\$(?:[15689]|2y)\$[\w./$]{16,120})

password hash | ord·5· ord·7· ord·8· key·7· key·5· ing·7· | alternating
(?i)(?:(?<=passw)ord|(?<=\b)key|(?<=key-str)ing) [578] (?P<secret>[0-9A-F]{10,64}|[\w$./]{12,120})$
username bob password 7 §

password file | :543 :330 :*:* :*: | drawn
(?m):(?:5432|5433|3306|\*):[\w*.-]{1,64}:[\w*.@-]{1,64}:(?P<secret>[^\s:'"]{6,256}+)$
db.acme.io:5432:*:app:§

password file | oot: | drawn
(?m)(?<=r)oot:(?P<secret>[^\s:'"$/]{8,64}+)(?:[ \t]*$| on )
root:§

password file | "·*· "\t*\t "·· | drawn
"[ \t]{1,8}(?:\*|\w{1,16})[ \t]{1,8}"(?P<secret>[^"\n]{6,64})"[ \t]{1,8}\*
"bob" * "§" *

password file | :587 :465 :25· :25] | drawn
(?m):(?:587|465|25)\]?[ \t]{1,8}[\w.@+-]{1,64}:«line»
[smtp.acme.io]:587 bob:§

password file | $USE | drawn
\$USER[0-9]{1,3}\$=(?P<secret>[^\s]{6,64}+)
$USER3$=§

password file | cat· | drawn
(?m)(?<![a-z])cat [\w./~-]{0,40}(?:pass|secret|token|cred)[\w.-]{0,24}\n(?P<secret>[^\s:]{8,128}+)$
$ cat .vault_pass
§

password file | owing·pa | varied
owing password [^\n]{0,60}\r?\n\s{0,4}(?P<secret>[0-9a-f]{32})(?=\s)

password file | d-i·pass | drawn
d-i passwd/[\w-]{0,20}password(?:-again)? (?:password|crypted)? ?(?P<secret>[^\s]{6,128}+)
d-i passwd/root-password password §

login and password | user/pas | typed
(?i)user/pass(?:word|wd)?\b[:= ]{1,3}(?:is )?[\w.@+-]{1,64}[ ]?/[ ]?(?P<secret>[^\s"'`;,]{6,64}+)
user/pass is bob/§

value of a telling name | "value": 'value': | drawn | name
["']value["']\s{0,4}:\s{0,4}["'](?P<secret>[^\s"']{8,256})["'],\s{0,40}["'](?i:name|key)["']\s{0,4}:\s{0,4}["'][\w.-]{0,40}(?i:pass|pwd|secret|token|_key)
{"value": "§", "name": "DB_PASSWORD"}

password in SQL | fied·by· | drawn
(?i)(?<=identi)fied by (?P<secret>[A-Za-z0-9][^\s'"`;,]{7,64})(?=[ \t]*(?:;|$|\b[A-Za-z_]{2}))
CREATE USER bob IDENTIFIED BY §;

login and password | login logon credenti zugang auth· auth= auth: auth" | typed
(?i)(?:(?:log(?:in|on)|credentials?|zugang(?:sdaten)?)\b[^\n]{0,32}?[ :`]|auth["']?[ =:]{1,4}["']?)[\w.@+-]{2,40}`?(?:[ ]?/[ ]?|:|[ ]\|[ ])[`"']?(?P<secret>[^\s"'`<>(){}\[\],;/]{8,40})(?=[\s,;)"'`.]|$)
login: bob / §

login and password | user·=·" user=" user:·" user·=·' user=' user:·' userpwd, username | typed
(?i)user[\w.]{0,12}["']?[ \t]{0,4}[=:,]>?[ \t]{0,4}["'][\w.@+-]{1,64}:(?P<secret>[^\s"':]{6,128})["']
user = "bob:§"

login and password | username | varied
(?i)username\\{0,3}["']\s?:\s?\\{0,3}["'][\w.@+-]{1,64}\\{0,3}["'],\s{0,40}\\{0,3}["']key\\{0,3}["']\s?:\s?\\{0,3}["'](?P<secret>[0-9a-f]{32})(?!\w)

key file | cret·key | varied
(?<=se)cret key[^\n]{0,40}\r?\n(?P<secret>[A-Za-z0-9+/=_-]{40,400}+)(?=\s|$)

Bundler login | BUNDLE_ | varied
BUNDLE_\w{3,64}(?:=|:[ ])["']?(?P<secret>\w{4,64}:\w{4,64})

Conda token | /t/ | varied
/t/(?P<secret>[a-z]{2}-[0-9a-f-]{32,64})/

ipsec secret | :·PS :·EA :·XA | drawn
: (?:PSK|EAP|XAUTH) "(?P<secret>[^"\n]{6,256})"
: PSK "§"

ipsec secret | kmp·key· sec·secr auth·pas standby· | drawn
(?i)(?:(?<=isa)kmp key|(?<=ip)sec secret|auth password|standby [0-9]{1,4} authentication) (?:[0-9a-z] |md5 |text )?(?P<secret>[^\s"';]{6,64}+)(?!\))
crypto isakmp key § address 0.0.0.0

key of a router | -server· est-key -key·md5 -key·1 -key·2 psk·asci psk·set- us-serve | drawn
(?i)(?:-server (?:host [\w.:-]{3,40} )?key|est-key [0-9]{1,3} md5|-key [0-9]{1,5} md5|psk (?:ascii|set-key ascii)|us-server[^\n]{1,60}? key) (?:[0-9] )?["']?(?P<secret>[^\s"';]{6,64}+)
radius-server key §

key of a router | option·k \n·key· | drawn
(?m)(?:option|\n) key (?:[0-9] )?["']?(?P<secret>[^\s"';,]{6,64}+)["']?$
 option key '§'

password file | \nuser· | typed
(?m)\nuser [\w.@-]{1,64} (?:on >)?(?P<secret>[^\s"'`;=(){}]{8,64}+)$

password file | ·on·> | drawn
[ ]on[ ](?:[~&+@-][^\s]{1,64}[ ]){0,8}>(?P<secret>[^\s]{6,128}+)
ACL SETUSER bob on >§ ~* +@all

random key | ytes(" | drawn key
(?<=GetB)ytes\("(?P<secret>[^\s"\\]{16,128})"\)

random key | "key":·" 'key'·=> | noise
(?i)["']key["']\s{0,2}(?::|=>)\s{0,2}["'](?P<secret>[^\s"'\\]{32,128})["']

random key | key·=·b' key·=·b" | drawn key
(?<![\w.])key = b["'](?P<secret>[\w-]{43}=)["']

app key | dropbox | alternating
(?i)dropbox\w{0,16}["']?\s{0,2}[:=]\s{0,2}["'](?P<secret>[a-z0-9]{15})["']

key to unseal | unseal·k | varied
(?i)unseal key[ _]?[0-9]{0,2}["']?[ ]?[:=][ ]?["']?(?P<secret>[A-Za-z0-9+/]{40,68}={0,2})

Wi-Fi password | WIFI | drawn
WIFI:[^\n]{0,80}?[;:]P:(?P<secret>[^\s;]{8,63});
WIFI:T:WPA;S:Home;P:§;;

community of SNMP | snmp-ser snmp·com snmp·hos | drawn
(?:snmp-server|snmp) (?:community|host [\d.]{7,15}(?: version 2c)?) (?P<secret>[^\s]{6,64})
snmp-server community § RO

community of SNMP | ateUser· | drawn
(?<=cre)ateUser (?:-e \w{1,64} )?«user» (?:MD5|SHA)[0-9-]{0,4} "?(?P<secret>[^\s"]{8,64})"?
createUser bob SHA "§" AES

password in a command | identify | short
IDENTIFY (?:«user» )?(?P<secret>[^\s"']{8,64}+)
PRIVMSG NickServ :IDENTIFY §

recovery code | recovery backup-c backup_c backup·c backupco | any
(?i)(?:recovery|backup)[_ -]?codes?["']?\b[^\n\w]{0,12}[\s"'\[-]{0,24}(?P<secret>(?=[a-z-]{0,20}[0-9])[a-z0-9]{4,8}(?:-[a-z0-9]{4,8}){1,3}(?:[\s,"']{1,12}[a-z0-9]{4,8}(?:-[a-z0-9]{4,8}){1,3}){0,20})(?![\w-])

PIN | pin·=· pin= pin:· pin": pin': pin_code pin·code pin-code pincode door·cod gate·cod alarm·co | any
(?i)(?:(?<![a-z])pin(?:[_-]?code)?|(?:door|gate|alarm)[ ]code)["']?[ \t]{0,4}(?:[=:]|is)[ \t]{0,4}["']?(?P<secret>(?!(?:0000|1234|12345|123456|12345678)\b)[0-9]{4,8})(?![\w.,-])

recovery words | phrase words | any
(?i)(?:(?<=seed )|(?<=seed_)|(?<=backup )|(?<=recovery )|(?<=secret )|(?<=mnemonic )|(?<=mnemonic_))(?:phrase|words?)["'`]?[ ]?[:=]?[\s"'`>]{1,8}(?P<secret>(?-i:(?:[a-z]{3,8}[ ]){11,23}[a-z]{3,8}))

random password | random_p | drawn
random_password"[^\n]{0,20}\n(?:[^\n]{0,80}\n){1,8}?[ \t]{0,40}"result": "(?P<secret>[^"\s]{8,256})"

password file | l2tp pptp | drawn
x?(?:l2|p)tp\w{0,6}["']?[ \t]{1,8}"?(?P<secret>[^\s"]{6,64}+)"?[ \t]{1,8}(?:\*|[0-9]{1,3}\.)

password given to a hash | |·passwo | drawn | before
\{\{[ ]?["'](?P<secret>[^\s"']{6,128})["'][ ]$

random password | "result" | drawn
"result": "(?P<secret>[^"\s]{8,256})",\s{1,40}"special"
"result": "§",
"special": true

password in a command | ·-u· ·-us ·--u ·/u: ·/ru ·/us ·-d· ·-l· ·--l | drawn
(?i:[ ](?:--?u(?:ser(?:name)?)?|/ru?|/u(?:ser)?|--?l(?:ogin)?|-D|-U))[ =:]?[^\s]{1,64}(?:[ ][^\n]{0,80}?)?[ ](?:--?p(?:ass(?:w(?:or)?d)?|w)?[ =]|-w[ ]|/rp[ :]|/p(?:ass(?:word)?)?[ :])["']?(?P<secret>[^\s"'`;|&()]{6,256}+)
tool sync -u bob --dry -p §

password in a command | --us | drawn
--user[ =]["']?[\w.@+-]{1,64}:(?P<secret>[^\s"'`;|&<>]{6,256}+)
tool --user bob:§

password in a command | ·-p· | short
[ ]-P ["']?(?P<secret>[^\s"'`;|&<>/\[\]()]{8,64}+)(?=[\s"']|$)
tool -h db -P §

password in a command | ·-a· | drawn
[ ]-a ["']?[\w.@+-]{1,64}:(?P<secret>[^\s"'`;|&<>]{6,256}+)
http -a bob:§ acme.io/x

password in a command | -pas | drawn
-pass(?:in|out)?[ ]pass:(?P<secret>[^\s"'`;|&<>]{5,256}+)
openssl rsa -passin pass:§

password in SQL | addlogin | drawn
(?i)(?<=sp_)addlogin\s{1,8}N?'[^'\n]{1,64}',\s{0,8}N?'(?P<secret>[^\s']{6,128})'

token in a command | sonar.lo | drawn
sonar\.login[=:][ ]?(?P<secret>[\w.-]{8,64}+)

password in a command | signtool | drawn | word
signtool«to»/p[ ]«word»
signtool sign /f c.pfx /p § app.exe

secure string | -secures | drawn
(?i)-SecureString[ ](?:-String[ ])?«quoted»
ConvertTo-SecureString "§" -AsPlainText

Erlang cookie | -setcook | drawn
-setcookie[ ]['"]?(?P<secret>[\w-]{12,64})

password in a command | assword asswd passcode | drawn | send
(?i:ass(?:word|wd)|passcode)[^\n]{0,40}\n?[^\n]{0,40}\n?[^\n]{0,40}?\b(?i:send(?: --)?[ ]"|sendline\(b?["'])(?P<secret>[^\s"']{6,64}?)(?:\\[rn])?["']
expect "*assword:*"
send "§\r"

password in a command | curl· | drawn | word
curl«to»(?:-u|--user|--proxy-user|-U)[ =]?["']?[^\s:"']{0,64}:«word»
curl -u bob:§ https://acme.io

password in a command | sshpass | drawn | word
sshpass«to»-p[ ]?«word»
sshpass -p § ssh bob@acme

password in a command | mysql· mysqldum mysqladm mysqlimp mysqlsho mariadb | drawn | word
(?:mysql(?:dump|admin|import|show)?|mariadb(?:-dump)?)«to»-p«word»
mysql -u bob -p§ shop

password in a command | mongo· mongosh mongodum mongores mongoimp mongoexp | drawn | word
mongo(?:sh|dump|restore|import|export)?«to»-p[ ]?«word»
mongo db/x -u bob -p §

password in a command | redis-cl | drawn | word
redis-cli«to»(?:-a|--pass)[ =]?«word»
redis-cli -a § ping

password in a command | docker· podman· helm· skopeo· crane· heroku· kubectl· twine· beeline· cqlsh· argocd· security· certutil | drawn | word
(?:docker|podman|helm|skopeo|crane|heroku|kubectl|twine|beeline|cqlsh|argocd|security|certutil)«to»-p[ =]?«word»
docker login -u bob -p § r.acme.io

password in a command | ldapsear ldapadd ldapmodi ldapwhoa ldappass ldapdele | drawn | word
ldap[a-z]{3,10}«to»-w[ ]?«word»
ldapsearch -D cn=a -w § -b dc=b

password in a command | sqlcmd· osql· bcp· isql· | drawn | word
(?:sqlcmd|osql|bcp|isql)«to»-P[ ]?«word»
sqlcmd -S db -U sa -P § -Q x

password in a command | zip· 7z· 7za· unzip· rar· unrar· | drawn | word
(?:zip|7za?|unzip|rar|unrar)«to»-h?[pP][ ]?«word»
7z x a.7z -p§

password in a command | mosquitt | drawn | word
(?:mosquitto_[a-z]{3}|mosquitto_passwd)«to»-P[ ]?«word»
mosquitto_pub -u bob -P § -t x

password in a command | lftp· ncftp | drawn | word
(?:lftp|ncftp[a-z]{0,3})«to»-u[ ]?[\w.@-]{1,64},«word»
lftp -u bob,§ acme.io

password in a command | openssl· | drawn | word
openssl«to»-(?:k|K)[ ]«word»
openssl enc -k § -in a

token in a command | ecov | drawn
(?<=cod)ecov(?:\.io/bash)?\b[^\n]{0,100}?[ \t]-t[ ](?P<secret>[\w-]{16,64})

password in a command | ssh-keyg | drawn | word
ssh-keygen«to»-[NP][ ]«word»
ssh-keygen -t rsa -N §

password in a command | radtest· | drawn | word
radtest[ ](?:-\w[ ]\w{1,8}[ ])?[\w.@-]{1,64}[ ]«word»[ ]
radtest bob § 10.0.0.1 0 testing

password in a command | ttp-basi | drawn
ttp-basic\.[\w.-]{1,80}[ ][\w.@-]{1,64}[ ](?P<secret>[^\s"']{6,128})
composer config http-basic.repo.acme.io bob §

password in a command | xfreerdp rdesktop | drawn | word
(?:xfreerdp|rdesktop)«to»(?:-p[ ]|/p:)«word»
xfreerdp /u:bob /p:§ /v:acme

password in a command | plink· pscp· psftp· | drawn | word
(?:plink|pscp|psftp)«to»-pw[ ]«word»
plink -ssh bob@acme -pw § ls

password in a command | ipa- ipmitool vsql· | drawn | word
(?:ipa-[a-z-]{4,40}|ipmitool|vsql)«to»-[apwP][ ]«word»
ipmitool -H acme -P § power

password in a command | rabbitmq | drawn | word
rabbitmqctl«to»(?:add_user|change_password)[ ][\w.@-]{1,64}[ ]«word»
rabbitmqctl add_user bob §

password in a command | az·login oc·login cf·login ibmcloud | drawn | word
(?:az|oc|cf|ibmcloud)«to»-p[ ]«word»
az login -u bob -p §

password in a command | net·use· psexec | drawn | word
(?:net|psexec)«to»(?:-p[ ]|/user:[^\s]{1,64}[ ])«word»
net use Z: \\acme\x /user:bob §

password in a command | net·use· | short | word
net[ ]use[ ][^\n]{0,80}?[ ](?P<secret>[^\s/\\:]{8,64}+)[ ]/user:
net use Z: \\acme\x § /user:bob

password in a command | net·user | short | word
net[ ]user[ ]«user»[ ](?P<secret>[^\s/]{8,64}+)[ ]/
net user bob § /add

password in a command | sqlplus· imp· exp· expdp· impdp· connect· | drawn | word
(?i:sqlplus|imp|exp|expdp|impdp|connect)[ ](?:-[a-z]{1,8}[ ]){0,3}[\w-]{1,64}/(?P<secret>[^\s"'@/]{5,64})(?:@|[ ]\w+=)
sqlplus bob/§@db:1521

password in a command | smbclien rpcclien winexe· | drawn | word
(?:smbclient|rpcclient|winexe)«to»-U[ ]?["']?[^\s%"']{1,64}%«word»
smbclient //acme/x -U bob%§

password in a command | htpasswd | drawn | word
htpasswd«to»-[a-zA-Z]{0,4}b[a-zA-Z]{0,4}[ ][^\n]{0,80}?[\w.-]{1,64}[ ](?P<secret>[^\s"'`;|&<>]{5,256}+)(?=\s*(?:[;|&\n]|$))
htpasswd -cb .htpasswd bob §

community of SNMP | snmpwalk snmpget snmpset snmpbulk snmptrap snmptabl | drawn | word
snmp[a-z]{3,8}«to»-[cAX][ ]?«word»
snmpwalk -v2c -c § 10.0.0.1

community of SNMP | rocommun rwcommun | drawn | word
r[ow]community6?[ \t]{1,4}«word»
rocommunity §

password in a command | echo· | drawn | |
(?<![a-z])echo[ ](?:-n[ ])?["']?(?P<secret>[^\s"'|]{5,256}+)["']?[ ]?\|[ ]?(?:sudo -S|base64|(?:sudo )?(?:docker|podman|helm|gh|crane|kinit|cryptsetup|passwd|vncpasswd|gpg)[^\n]{0,60}(?:-stdin|with-token|kinit|luks\w{4,8}|passphrase-fd 0|-f))
echo § | sudo -S apt update

password in a command | echo· printf· | drawn | passwd
(?<![a-z])(?:echo|printf)[ ](?:-\w{1,2}[ ])?["']?(?:[\w.-]{1,64}:)?(?P<secret>[^\s"'\\|]{5,256}+(?:\\n[^\s"'|\\]{5,80})?)(?:\\n)?["']?[ ]?\|[ ]?(?:sudo )?(?:/usr/sbin/)?(?:chpasswd|passwd)
echo "bob:§" | chpasswd
"""

# ---------------------------------------------------------------- the table


def _rule(row: str) -> Rule:
    head, pattern, *_ = row.split("\n")
    name, anchors, test, *how = head.split(" | ", 3)
    for macro, meaning in MACROS.items():
        pattern = pattern.replace(f"«{macro}»", meaning.decode())
    compiled, accepts = re.compile(pattern.encode()), TESTS[test]
    needs = how[0].encode() if how and how[0] not in ("word", "before") else b""
    return Rule(
        name,
        frozenset(
            re.sub(r"\\t", "\t", anchor.replace("\\n", "\n")).replace("·", " ").encode()
            for anchor in anchors.split()
        ),
        find_near(compiled, accepts, is_before=how == ["before"]),
        starts_token=how == ["word"],
        needs=needs,
    )


ROWS = tuple(TABLE.strip().split("\n\n"))
PLACED = tuple(map(_rule, ROWS))
