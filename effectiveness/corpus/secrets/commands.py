"""Passwords behind an option of a command, and what is typed into one."""

from __future__ import annotations

import re

from effectiveness.corpus.secrets.chosen import is_chosen
from effectiveness.corpus.secrets.logins import is_drawn_password
from effectiveness.corpus.secrets.rules import Rule, Scan, Span, find_by
from effectiveness.corpus.secrets.values import is_short_material

_SENT = re.compile(
    rb"(?:(?<=se)nd(?: --)?[ ]\"|(?<=sendl)ine\([\"'])(?P<secret>[^\s\"']{6,64}?)(?:\\[rn])?[\"']"
)
_ASKED = re.compile(rb"(?i)ass(?:word|phrase|wd|code)")
_MAX_BEFORE_BYTES = 160
_MAX_LINE_BYTES = 400


def _find_sent(scan: Scan, place: int) -> Span | None:
    match = _SENT.match(scan.text, place)
    if not match or not _ASKED.search(scan.text, max(0, place - _MAX_BEFORE_BYTES), place):
        return None
    return match.span("secret") if is_drawn_password(match) else None


def _command(
    anchors: str, head: str, option: str, *, secret: str = r"[^\s\"'`;|&<>]{5,256}+", needs: bytes = b""
) -> Rule:
    """What stands behind an option of a command, at most 300 bytes after its name on the same line.

    needs: what must stand soon after the name for the expression to be asked at all.
    """
    pattern = (
        rf"(?:{head})\b(?:\\\n|[^\n]){{0,300}}?[ \t]{option}(?P<quote>[\"']?)(?P<secret>{secret})(?P=quote)"
    )
    ask = find_by(re.compile(pattern.encode()), is_drawn_password)

    def find(scan: Scan, place: int) -> Span | None:
        return ask(scan, place) if scan.text.find(needs, place, place + _MAX_LINE_BYTES) >= 0 else None

    return Rule(
        "password in a command",
        frozenset(anchor.encode()[:4] for anchor in anchors.split(",")),
        find if needs else ask,
        starts_token=True,
    )


_LOGIN_OPTION = r"(?:--?u(?:ser(?:name)?)?|/ru?|/u(?:ser)?|--?l(?:ogin)?|-D|-U)"
_PASSWORD_OPTION = r"(?:--?p(?:ass(?:w(?:or)?d)?|w)?[ =]|-w[ ]|/rp[ :]|/p(?:ass(?:word)?)?[ :])"
COMMANDS = (
    Rule(  # whatever the command is called
        "password in a command",
        frozenset({b" -u ", b" -us", b" --u", b" /u:", b" /ru", b" /us", b" -d ", b" -l ", b" --l"}),
        find_by(
            re.compile(
                (
                    rf"(?i:[ ]{_LOGIN_OPTION})[ =:]?[^\s]{{1,64}}(?:[ ][^\n]{{0,80}}?)?[ ]{_PASSWORD_OPTION}"
                    r"[\"']?(?P<secret>[^\s\"'`;|&()]{6,256}+)"
                ).encode()
            ),
            is_drawn_password,
        ),
    ),
    Rule(
        "password in a command",
        frozenset({b"--us"}),
        find_by(
            re.compile(rb"--user[ =][\"']?[\w.@+-]{1,64}:(?P<secret>[^\s\"'`;|&<>]{6,256}+)"),
            is_drawn_password,
        ),
    ),
    Rule(
        "password in a command",
        frozenset({b" -p "}),
        find_by(
            re.compile(rb" -P [\"']?(?P<secret>[^\s\"'`;|&<>/\[\]()]{8,64}+)(?=[\s\"']|$)"),
            lambda match: is_chosen(match["secret"]) or is_short_material(match["secret"]),
        ),
    ),
    Rule(  # HTTPie
        "password in a command",
        frozenset({b" -a "}),
        find_by(
            re.compile(rb" -a [\"']?[\w.@+-]{1,64}:(?P<secret>[^\s\"'`;|&<>]{6,256}+)"), is_drawn_password
        ),
    ),
    Rule(
        "password in a command",
        frozenset({b"-pas"}),
        find_by(
            re.compile(rb"-pass(?:in|out)?[ ]pass:(?P<secret>[^\s\"'`;|&<>]{5,256}+)"), is_drawn_password
        ),
    ),
    Rule(
        "secure string",
        frozenset({b"-sec"}),
        find_by(
            re.compile(rb"(?i)-SecureString[ ](?:-String[ ])?[\"'](?P<secret>[^\s\"']{6,256})[\"']"),
            is_drawn_password,
        ),
    ),
    Rule(
        "Erlang cookie",
        frozenset({b"-set"}),
        find_by(re.compile(rb"-setcookie[ ]['\"]?(?P<secret>[\w-]{12,64})"), is_drawn_password),
    ),
    Rule(
        "community of SNMP",
        frozenset({b"snmp"}),
        find_by(
            re.compile(
                rb"snmp-server (?:community|host [\d.]{7,15}(?: version 2c)?) (?P<secret>[^\s]{6,64})"
            ),
            is_drawn_password,
        ),
    ),
    Rule(  # what an expect script types after it waited for the word "password"
        "password in a command",
        frozenset({b'nd "', b"nd -", b"ine("}),
        _find_sent,
    ),
    _command("curl", "curl", r"(?:-u|--user|--proxy-user|-U)[ =]?[\"']?[^\s:\"']{0,64}:"),
    _command("sshpass", "sshpass", r"-p[ ]?"),
    _command(
        "mysql,mysqldump,mysqladmin,mariadb", "mysql(?:dump|admin|import|show)?|mariadb(?:-dump)?", "-p"
    ),
    _command("mongo,mongosh,mongodump", "mongo(?:sh|dump|restore|import|export)?", r"-p[ ]?"),
    _command("redis-cli", "redis-cli", r"(?:-a|--pass)[ =]?"),
    _command("docker,podman,helm,skopeo,crane", "docker|podman|helm|skopeo|crane", r"-p[ =]?"),
    _command("heroku,kubectl", "heroku|kubectl", r"-p[ =]"),
    _command("ldapsearch,ldapadd,ldapmodify,ldapwhoami", "ldap[a-z]{3,10}", r"-w[ ]?"),
    _command("sqlcmd,osql,bcp,isql", "sqlcmd|osql|bcp|isql", r"-P[ ]?"),
    _command("zip ,7z ,7za ,unzi,rar ,unra", "zip|7za?|unzip|rar|unrar", r"-h?[pP][ ]?"),
    _command("mosquitto", "mosquitto_[a-z]{3}|mosquitto_passwd", r"-P[ ]?"),
    _command("lftp,ncftp", "lftp|ncftp[a-z]{0,3}", r"-u[ ]?[\w.@-]{1,64},"),
    _command("openssl", "openssl", r"-(?:k|K)[ ]"),
    Rule(
        "password in a command",
        frozenset({b"ecov"}),
        find_by(
            re.compile(rb"(?<=cod)ecov(?:\.io/bash)?\b[^\n]{0,100}?[ \t]-t[ ](?P<secret>[\w-]{16,64})"),
            is_drawn_password,
        ),
    ),
    _command("xfreerdp,rdesktop", "xfreerdp|rdesktop", r"(?:-p[ ]|/p:)"),
    _command("plink,pscp,psftp", "plink|pscp|psftp", "-pw[ ]"),
    _command("ipa-", "ipa-[a-z-]{4,40}", "-[apw][ ]"),
    _command("ipmitool,vsql", "ipmitool|vsql", "-[Pw][ ]"),
    _command("rabbitmqctl", "rabbitmqctl", r"(?:add_user|change_password)[ ][\w.@-]{1,64}[ ]"),
    _command("twine,beeline,cqlsh,argocd", "twine|beeline|cqlsh|argocd", "-p[ ]"),
    _command("az l,oc l,cf l,ibmc", "az|oc|cf|ibmcloud", r"-p[ ]"),
    _command("net ,psexec", "net|psexec", r"(?:-p[ ]|/user:[^\s]{1,64}[ ])"),
    _command("sqlplus", "sqlplus", r"[\w-]{1,64}/", secret=r"[^\s\"'@]{5,64}"),
    _command("smbclient,rpcclient,winexe", "smbclient|rpcclient|winexe", r"-U[ ]?[\"']?[^\s%\"']{1,64}%"),
    _command(
        "htpasswd",
        "htpasswd",
        r"-[a-zA-Z]{0,4}b[a-zA-Z]{0,4}[ ][^\n]{0,80}?[\w.-]{1,64}[ ]",
        secret=r"[^\s\"'`;|&<>]{5,256}+(?=\s*(?:[;|&\n]|$))",
    ),
    _command("snmpget,snmpwalk,rocommunity,rwcommunity", "snmpwalk|snmpget", r"-[cAX][ ]?"),
    _command("rocommunity,rwcommunity", "r[ow]community", ""),
    _command(
        "echo",
        "echo",
        needs=b"|",
        option=r"-?n?[ ]?[\"']?(?=[^\s|]{5,256}[ ]?\|[ ]?(?:sudo -S|(?:sudo )?"
        r"(?:docker|podman|helm|gh|crane|kinit|cryptsetup|passwd|vncpasswd|gpg)[^\n]{0,60}"
        r"(?:-stdin|with-token|kinit|luks\w{4,8}|passphrase-fd 0|-f)))",
    ),
    _command(
        "echo",
        "echo",
        needs=b"|",
        option=r"(?=[^\n|]{5,256}\|[ ]?(?:sudo )?(?:/usr/sbin/)?(?:chpasswd|passwd))[\"']?(?:[\w.-]{1,64}:)?",
    ),
)
