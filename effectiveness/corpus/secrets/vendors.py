"""The shapes of vendors' tokens: a table, one row a shape; adding a token is adding a row.

A row is `(vendor, prefixes, body, source)`. The body is a list of parts: `a36` is 36 characters of the alphabet `a`
of `ALPHABETS`, `a36-64` from 36 to 64, `a36+` at least 36 and as many as there are, `=x` the literal `x`.
The prefix stays in the text and the body is redacted. Where a row says `run` for its anchor the prefix is too
short or too common to be looked for (`s.`, `pat`): such a token is found as a run of random characters first.

Sources, read for the figures (prefixes, alphabets, lengths): G, the rules of gitleaks (config/gitleaks.toml at b58d3f1);
T, the detectors of trufflehog (3ab759f); H, GitHub's list of supported secret scanning patterns; V, the vendor's manual.
tests/test_secret_vendors.py draws a token and a near-miss of every row.
"""

from __future__ import annotations

from dataclasses import dataclass

ALPHABETS = {
    "a": "A-Za-z0-9",
    "c": "A-Za-z",
    "n": "a-z0-9",
    "u": "A-Z0-9",
    "d": "0-9",
    "h": "a-f0-9",
    "H": "A-Fa-f0-9",
    "w": r"A-Za-z0-9_\-",
    "e": r"A-Za-z0-9_\-=",
    "g": r"A-Za-z0-9_\-=.",
    "b": "A-Za-z0-9+/",
    "B": r"A-Za-z0-9+/=_\-",
    "t": r"A-Za-z0-9_~.\-",
    "2": "A-Z2-7",
    "z": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
}
MAX_REPEAT = 1024  # of an open end; what is longer is followed to its end outside of the expression


@dataclass(frozen=True, slots=True)
class Token:
    vendor: str
    prefixes: tuple[str, ...]
    body: str
    source: str

    @property
    def is_open(self) -> bool:
        """Whether the last part has no upper length."""
        return self.body.endswith("+")


def parts(body: str) -> list[tuple[str, int, int | None]]:
    """(alphabet, least, most) of every part; a literal is ("=text", 0, 0); `most` is None for an open end."""
    found: list[tuple[str, int, int | None]] = []
    for part in body.split():
        if part.startswith("="):
            found.append((part, 0, 0))
            continue
        least, _, most = part[1:].rstrip("+").partition("-")
        found.append((part[0], int(least), None if part.endswith("+") else int(most or least)))
    return found


def _tokens(rows: str) -> tuple[Token, ...]:
    """The rows of a table in text: columns are separated by `|` (`¦` stands for one), prefixes by spaces."""
    found = []
    for row in filter(None, map(str.strip, rows.splitlines())):
        vendor, prefixes, body, source = (column.strip() for column in row.split("|"))
        found.append(Token(vendor, tuple(prefixes.split()) or ("",), body.replace("¦", "|"), source))
    return tuple(found)


# Anchored: a distinct prefix of three characters or more.
ANCHORED = _tokens("""
    1Password service account    | ops_eyJ                      | B200+                              | G T
    Braintree token              | access_token$production$ access_token$sandbox$ | n16 =$ h32    | T
    Adafruit IO key              | aio_                         | a28                                | T
    Adobe client secret          | p8e-                         | a32                                | G
    age secret key               | AGE-SECRET-KEY-1             | u58                                | G
    Aiven token                  | AVNS_                        | w19                                | H
    Alchemy key                  | alcht_                       | a30                                | T
    Alibaba access key id        | LTAI                         | a17-24                             | G T
    Anthropic key                | sk-ant-                      | w40+                               | G T
    Apify token                  | apify_api_                   | w34-40                             | T
    Artifactory key              | AKCp                         | a60-75                             | G T
    Artifactory reference token  | cmVmd                        | a59                                | G T
    Asaas key                    | $aact_                       | B60+                               | H
    Atlassian token              | ATATT ATCTT                  | B55+                               | G T
    AWS access key id            | A3T                          | u17                                | G
    Authress key                 | authress_ scauth_   | n5-30 =. n4-6 =.acc w11-33 =. B30-120 | G
    AWS access key id            | AKIA ASIA ABIA ACCA          | u16                                | G T
    AWS Bedrock key              | ABSK                         | b100+                              | G
    AWS Bedrock key              | bedrock-api-key-             | b28+                               | G
    Azure container registry     | +ACR                         | a6                                 | T
    Azure configuration secret   | ;Secret=                     | b43 ==                             | T
    Bannerbear key               | bb_pr_ bb_ma_                | h30                                | T
    Bitbucket app password       | ATBB                         | g24+                               | T
    Bitbucket server token       | BBDC-                        | B40-50                             | T
    Braintree token              | $production$ $sandbox$       | n16 =$ h32                         | H
    Brevo key                    | xkeysib- xsmtpsib-           | w60-90                             | G T
    Buildkite token              | bkua_ bkaj_ bkpi_ bkui_      | n40                                | T H
    Canva secret                 | cnvca                        | w40+                               | H
    CircleCI token               | CCIPAT_ CCIPRJ_              | a22 =_ h40                         | T
    ClickHouse key               | 4b1d                         | a38                                | G
    Clojars token                | CLOJARS_                     | n60                                | G
    Cloudflare origin key        | v1.0-                        | w171                               | G T
    Cloudflare token             | cfut_ cfat_ cfk_             | a40 h8                             | T
    Contentful token             | CFPAT-                       | w43                                | T
    Contentful key               | CFPAT_                       | w43                                | H
    crates.io token              | cio                          | a32                                | H
    Databricks token             | dapi                         | h32                                | G T
    Defined Networking token     | dnkey-                       | e26 =- e52                         | G
    Deno token                   | ddp_ ddw_ ddo_               | a36                                | T
    DigitalOcean token           | dop_v1_ doo_v1_ dor_v1_      | h64                                | G T
    Docker token                 | dckr_pat_ dckr_oat_          | w27-64                             | T
    Doppler token                | dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit. | a40-44                  | G T
    Doppler service token        | dp.st.                       | w2-35 =. a40-44                    | T
    Duffel token                 | duffel_test_ duffel_live_    | e43                                | G
    Dynatrace token              | dt0c01. dt0s01. dt0s16.      | a8-24 =. a64                       | G V
    EasyPost key                 | EZAK EZTK                    | a54                                | G
    ElevenLabs key               | sk_                          | h48                                | T
    Endor Labs key               | endr+                        | w16                                | T
    Facebook token               | EAAM EAAC EAAB EAAG          | a80+                               | G
    Facebook token               | EAACEdEose0cBA               | a20+                               | V
    Figma token                  | figd_ figp_ figo_ figoh_     | e40-54                             | T
    Fleetbase key                | flb_live_                    | a20                                | T
    Flexport token               | shltm_                       | w40                                | T
    Flutterwave key              | FLWSECK_TEST- FLWPUBK_TEST- FLWSECK- FLWPUBK- | n12-32 =-X        | G T
    Flutterwave encryption key   | FLWSECK_TEST                 | =- n12                             | G
    Fly.io token                 | fo1_                         | w43                                | G
    Fly.io token                 | fm1a_ fm1r_ fm2_             | B100+                              | G T
    Frame.io token               | fio-u-                       | e64                                | G T
    FullStory key                | na1. eu1.                    | b80-120                            | T
    Freemius secret              | sk_                          | a29                                | G
    GitHub token                 | ghp_ gho_ ghu_ ghs_ ghr_     | a36+                               | G T H
    GitHub token                 | github_pat_                  | a22 =_ a59                         | G T H
    GitHub token                 | github_pat_                  | w82                                | G
    GitLab token                 | glpat- gldt- glrt- glrtr- glft- glffct- glsoat- glimt- glagent- glptt- gloas- | w20+ | G T
    GitLab token                 | glpat- glrt-                 | w27-300 =. n2 =. n9                | G T
    GitLab token                 | glpat- glrt-                 | w27-300 =. n9                      | G T
    GitLab job token             | glcbt-                       | a1-5 =_ w20+                       | G
    GitLab runner token          | GR1348941                    | w20                                | G
    GitLab session               | _gitlab_session=             | n32                                | G
    Google API key               | AIza                         | w35                                | G T
    Google OAuth token           | ya29. GOCSPX-                | w24+                               | T
    Google refresh token         | 1//0                         | w60+                               | V
    Grafana key                  | eyJrIjoi                     | a50+                               | G
    Grafana token                | glsa_                        | a32 =_ H8                          | G T
    Grafana Cloud token          | glc_                         | b32+                               | G T
    Groq key                     | gsk_                         | a40-64                             | T
    Heroku key                   | HRKU-                        | w36-70                             | G T
    HubSpot token                | pat-na1- pat-eu1- pat-na2- pat-ap1- | H8 =- H4 =- H4 =- H4 =- H12 | T
    Hugging Face token           | hf_ api_org_                 | a34                                | G T
    Infracost key                | ico-                         | a32                                | G
    Intercom token               | dG9rO                        | b55 ==                             | H
    Intra 42 secret              | s-s4t2ud- s-s4t2af- u-s4t2ud- u-s4t2af- | h64                     | G T
    JSON Web Token               | eyJ                          | w8-1024 =.eyJ w8-8192 =. w16+      | G T
    Docker login                 | eyJhdXRocyI6 ewogICJhdXRocyI6 | b20+                              | T
    JFrog token                  | eyJ2ZXIi                     | w60+                               | H
    Klaviyo key                  | pk_                          | h34                                | T
    Klaviyo key                  | pk_                          | a6 =_ h34                          | T
    LangSmith key                | lsv2_pt_ lsv2_sk_            | h32 =_ h10                         | T
    Langfuse key                 | sk-lf- pk-lf-                | h8 =- h4 =- h4 =- h4 =- h12        | V
    LaunchDarkly key             | api- sdk- mob-               | n8 =- n4 =- =4 n3 =- n4 =- n12     | T
    Linear key                   | lin_api_ lin_oauth_          | a40-64                             | G T
    LocationIQ key               | pk.                          | h32                                | T
    Mailgun key                  | key-                         | n32                                | G T
    Mailgun public key           | pubkey-                      | h32                                | G
    Mandrill key                 | md-                          | w22                                | H
    Mapbox token                 | sk.eyJ pk.eyJ tk.eyJ         | w40-160 =. w22                     | G T
    Mercury token                | secret-token:mercury_        | w20+                               | H
    Midtrans key                 | Mid-server- SB-Mid-server-   | w24                                | H
    Neon key                     | napi_                        | n60-70                             | V
    New Relic key                | NRAK-                        | u27                                | G T
    New Relic key                | NRII- NRIQ-                  | w25-32                             | G T
    New Relic key                | NRJS- NRBR-                  | h19                                | G T
    Notion token                 | ntn_ secret_                 | a43-50                             | G T
    npm token                    | npm_                         | a36                                | G T
    NuGet key                    | oy2                          | n43                                | H
    NVIDIA key                   | nvapi-                       | w60-70                             | T
    Octopus Deploy key           | API-                         | u26                                | G
    Onfido token                 | api_live. api_sandbox. api_live_us. api_live_ca. | w11 =. w32     | H
    OpenAI key                   | sk-proj- sk-svcacct- sk-admin- sk-service- sk-or-v1- sk-None- | w40+ | G T
    OpenAI key                   | sk-                          | a48                                | G T
    OpenAI key                   | sk-                          | a20 =T3BlbkFJ a20                  | G T
    OpenShift token              | sha256~                      | w43                                | G
    Pagar.me key                 | ak_live_ ak_test_            | a30                                | T
    Paystack key                 | sk_live_ sk_test_            | n40                                | T
    Perplexity key               | pplx-                        | a48                                | G
    Persona key                  | persona_production_ persona_sandbox_ | w32+                       | H
    Pinecone key                 | pcsk_                        | a5-6 =_ a63                        | T
    PlanetScale token            | pscale_tkn_ pscale_oauth_ pscale_pw_ | g32-64                     | G T
    PostHog key                  | phx_ phc_ phs_               | a40-48                             | T
    Postman key                  | PMAK-                        | h24 =- h34                         | G T
    Prefect key                  | pnu_ pnb_                    | a36                                | G T
    PubNub key                   | pub-c- sub-c-                | n8 =- n4 =- n4 =- n4 =- n12        | T
    PubNub secret                | sec-c-                       | b40+                               | V
    Pulumi token                 | pul-                         | h40                                | G T
    PyPI token                   | pypi-AgE                     | w50+                               | G T
    Ramp key                     | ramp_id_ ramp_sec_ ramp_business_tok_ | a40-48                    | T
    Razorpay key                 | rzp_live_ rzp_test_          | a14                                | T
    ReadMe key                   | rdme_                        | n70                                | G T
    Render key                   | rnd_                         | a32                                | V
    Replicate token              | r8_                          | w37                                | T
    Robinhood key                | rh-api-                      | H8 =- H4 =- H4 =- H4 =- H12        | T
    RubyGems key                 | rubygems_                    | h48                                | G T
    SaladCloud key               | salad_cloud_                 | a1-7 =_ a7-235                     | T
    Dependency-Track key         | odt_                         | a32-48                             | V
    MongoDB Atlas secret         | mdb_sa_sk_                   | w40+                               | V
    Salesforce key               | 3MVG9                        | B80+                               | T
    Salesforce refresh token     | 5Aep861                      | g80+                               | T
    Scaleway key                 | SCW                          | u17                                | V
    Scalingo token               | tk-us-                       | w48                                | G
    Scrapfly key                 | scp-live- scp-test-          | h32                                | V
    JSON Web Token in base64     | ZXlK                         | B60+                               | G
    SendGrid key                 | SG.                          | g66                                | G
    SendGrid key                 | SG.                          | w20-24 =. w39-50                   | G T
    Sentry token                 | sntrys_ sntryu_ sntryi_      | B40+                               | G T
    SettleMint token             | sm_aat_ sm_pat_ sm_sat_      | a16                                | G
    Shippo token                 | shippo_live_ shippo_test_    | H40                                | G
    Shopify token                | shpat_ shpca_ shppa_ shpss_ shpua_ | H32                          | G T
    Slack token                  | xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxe- xoxe. xoxc- xoxd- xapp- | g8+ | G T
    Slack webhook                | hooks.slack.com/services/ hooks.slack.com/workflows/ hooks.slack.com/triggers/ | B43-80 | G T
    SonarQube token              | squ_ sqp_ sqa_               | h40                                | G
    SonarCloud token             | sqco_                        | a59                                | T
    Sourcegraph token            | sgp_                         | H16 =_ H40                         | G T
    Sourcegraph token            | sgp_local_ sgp_              | H40                                | G T
    Sourcegraph token            | slk_ sgd_                    | h64                                | T
    Square token                 | sq0atp- sq0csp- sq0idp- | w22-60                             | G T
    Stripe key                   | sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_ whsec_ | a10+ | G T
    Supabase token               | sbp_                         | n40                                | T
    Supabase secret              | sb_secret_                   | w22 =_ a8                          | V
    Tailscale key                | tskey-                       | n3-10 =- a8-24 =- a20-40           | T
    Tailscale key                | tskey-                       | a12-20 =- a20-40                   | T
    Telnyx key                   | KEY0                         | u20-40 =_ a22                      | V
    Tines webhook                | tines.com/webhook/           | n32 =/ n32                         | T
    Together key                 | tgp_v1_                      | w43                                | V
    TruffleHog key               | thog-key- thog-secret-       | h16-32                             | T
    Twilio key                   | SK0 SK1 SK2 SK3 SK4 SK5 SK6 SK7 SK8 SK9 SKa SKb SKc SKd SKe SKf SKA SKB SKC SKD SKE SKF | H31 | G T
    Typeform token               | tfp_                         | g40-62                             | G T
    Ubidots token                | BBFF-                        | a30                                | T
    Vault token                  | hvs. hvb. hvr.               | w24+                               | G T
    Vercel token                 | vercel_blob_rw_ vcp_ vck_ vca_ | a16-64                           | H
    Voiceflow key                | VF.DM. VF.WS. VF.            | H24 =. a16                         | T
    WakaTime key                 | waka_ waka_tok_              | w36-80                             | H
    Weights and Biases key       | wandb_v1_                    | w40+                               | V
    xAI key                      | xai-                         | w80                                | T
    Yandex key                   | AQVN                         | w35-38                             | G
    Yandex OAuth token           | y0_ y1_ y2_ y3_              | w50+                               | V
    Zapier webhook               | hooks.zapier.com/hooks/catch/ | d5-9 =/ n5-9                      | T
    Zuplo key                    | zpka_ zpat_                  | h32 =_ h8                          | H
    OpenSSH private key          | b3BlbnNzaC1rZXktdjEA         | b40+                               | V
    PKCS 8 private key           | MIIBVQIBADANBgkqhkiG9w0BAQEFAAS MIICdwIBADANBgkqhkiG9w0BAQEFAAS MIICdgIBADANBgkqhkiG9w0BAQEFAAS MIIEvQIBADANBgkqhkiG9w0BAQEFAAS MIIEvAIBADANBgkqhkiG9w0BAQEFAAS MIIEvgIBADANBgkqhkiG9w0BAQEFAAS MIIEvwIBADANBgkqhkiG9w0BAQEFAAS MIIJQgIBADANBgkqhkiG9w0BAQEFAAS MIIJQwIBADANBgkqhkiG9w0BAQEFAAS MIIJRAIBADANBgkqhkiG9w0BAQEFAAS MIIJQQIBADANBgkqhkiG9w0BAQEFAAS | b40+ | V
    PKCS 1 private key           | MIICXAIBAAKBgQ MIICXQIBAAKBgQ MIICWwIBAAKBgQ MIICXgIBAAKBgQ MIIEpAIBAAKCAQEA MIIEowIBAAKCAQEA MIIEpQIBAAKCAQEA MIIEogIBAAKCAQEA MIIJKQIBAAKCAgEA MIIJKAIBAAKCAgEA MIIJJwIBAAKCAgEA MIIJKgIBAAKCAgEA | b40+ | V
    EC private key               | MHcCAQEEI MIGkAgEBBD MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg MC4CAQAwBQYDK2VwBCIEI | b30+ | V
    extended private key         | xprv yprv zprv tprv          | a107                               | V
""")

# Found as a run of random characters, then told by its whole shape.
RUNS = _tokens("""
    Plaid token                  | access-sandbox- access-development- access-production- | h8 =- h4 =- h4 =- h4 =- h12 | G
    Rootly key                   | rootly_                      | h64                                | T
    1Password secret key         | A3-                          | u6 =- u6 =- u5 =- u5 =- u5 =- u5   | G
    Facebook token               |                              | d15-16 =¦ w27-40                   | G
    Facebook token               | EAA                          | a80-400                            | G T
    JSON Web Token               | ey                           | a17-1024 =.ey g17+                 | G
    Square token                 | EAAA                         | w22-60                             | G T
    Svix key                     | testsk_                      | w24+                               | V
    1Password secret key         | A3-                          | u6 =- u5-11 =- u5 =- u5 =- u5      | G
    Authress key                 | ext_ sc_               | n5-30 =. n4-6 =.acc w11-33 =. B30-120 | G
    Finage key                   | API_KEY                      | u32                                | T
    GoCardless token             | live_                        | e40                                | G T
    Ionic token                  | ion_                         | a42                                | H
    Lob key                      | live_ test_                  | h35                                | G T
    Lob publishable key          | live_pub_ test_pub_          | h31                                | G
    Nightfall key                | NF-                          | a32                                | T
    Resend key                   | re_                          | a8 =_ a24                          | V
    Stripe payment intent        | pi_                          | a24 =_secret_ a25                  | T
    dfuse key                    | web_                         | n32                                | T
    close.com key                | api_                         | a22 =. a22                         | T
    Airtable token               | pat                          | a14 =. h64                         | G T
    Airtable OAuth token         |                              | a14-40 =.v1. w16+                  | T
    Azure client secret          |                              | t3 d1 =Q~ t31-34                   | G T
    Azure function key           |                              | w52 ===                            | T
    Beamer token                 | b_                           | e44                                | G
    Cosmos DB key                |                              | b86 ===                            | T
    Discord token                | M N O                        | w23-27 =. w6 =. w27-38             | T
    Dropbox token                | sl.                          | e130+                              | G
    Dropbox token                |                              | n11 =AAAAAAAAAA e43                | G
    Gemini exchange key          | master- account-             | a20                                | T
    Harness key                  | pat. sat.                    | w22 =. a24 =. a20                  | G
    Mailchimp key                |                              | h32 =-us d1-2                      | G T
    Mailgun signing key          |                              | n32 =- n8 =- n8                    | G
    MaxMind key                  |                              | a6 =_ a29 =_mmk                    | G T
    New Relic key                |                              | h36 =NRAL                          | V
    New Relic key                |                              | h32 =FFFFNRAL                      | T
    New Relic key                |                              | h42 =-NRMA                         | T
    NVIDIA NGC key               |                              | n26 =: n8 =- n4 =- n4 =- n4 =- n12 | T
    Okta token                   | 00                           | e40                                | G T
    PayPal secret                |                              | w7 =- w72                          | T
    Recharge key                 | sk_ sk_test_                 | d1-2 =x d1 =_ H64                  | T
    Sidekiq login                |                              | h8 =: h8                           | G
    Sumo Logic access id         | su                           | a12                                | G
    Tableau token                |                              | b22 ===: a32                       | T
    Telegram token               | bot                          | d5-16 =:A w34                      | G T
    Telegram token               |                              | d5-16 =:A w34                      | G T
    Terraform Cloud token        |                              | a14 =.atlasv1. e60-70              | G T
    Twitter token                |                              | d15-25 =- a20-40                   | G
    Twitter bearer token         | AAAAAAAAAAAAAAAAAAAAAA       | B60+                               | G
    Vault token                  | s.                           | a24                                | G T
    Webex bot token              |                              | a64 =_ a4 =_ h8 =- h4 =- h4 =- h4 =- h12 | T
    Yandex token                 | t1.                          | w20+                               | G
    Yandex access key            | YC                           | w38                                | G
    product key                  |                              | u5 =- u5 =- u5 =- u5 =- u5         | V
    ClickUp token                | pk_                          | d4-12 =_ u32                       | T
    Salesforce session           | 00                           | a13 =! g80+                        | T
    Zoho token                   | 1000.                        | h32 =. h32                         | T
""")
