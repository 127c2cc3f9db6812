"""Words that tables use: titles of columns, kinds of values, TLP labels, confidence, and what means "nothing".

Rules: a title is compared without case and punctuation. A kind that names a person or an account of one is
sealed. A TLP word that is unknown is none of these levels, and its reader treats the row as RED.
"""

from __future__ import annotations

import re
from typing import Final

from comity.formats.tables.mapping import Column, Role, Scale
from comity.vocab import Tlp

_PUNCTUATION: Final = re.compile(r"[^a-z0-9]+")
NOTHING: Final = frozenset(
    ("", "-", "--", "n/a", "na", "none", "null", "nil", "nan", "unknown", "?", "\\n", "not available")
)
SEALED: Final = "sealed"  # in place of a kind: a person's account
TITLES: Final = {
    word: role
    for role, words in {
        Role.VALUE: """indicator indicators ioc iocs ioc_value indicator_value value observable observable_value
            artifact entity ip ips ip_address ipaddress ip_addr ipaddr ipv4 ipv6 address src_ip source_ip dst_ip dest_ip
            destination_ip dstip srcip c2 c2_ip cidr network netblock subnet prefix domain domains domain_name
            domainname hostname host fqdn url urls uri link_url malicious_url phish_url md5 md5_hash sha1 sha1_hash
            sha256 sha256_hash sha512 sha512_hash hash hashes file_hash filehash email email_address mail sender mac
            mac_address mutex registry_key regkey useragent user_agent wallet btc_address cve cve_id filename file_name
            file filepath file_path path asn ip_port""",
        Role.KIND: """type kind ioc_type indicator_type observable_type value_type attribute_type datatype data_type
            indicatortype ioctype""",
        Role.DESCRIPTION: """description descriptions comment comments note notes title summary details detail context
            info information remarks remark event_info object_comment reason""",
        Role.FIRST_SEEN: """first_seen firstseen first_seen_utc date dateadded date_added added created created_at
            creation_date timestamp time datetime date_utc detected detection_date observed observed_at seen reported
            report_date submission_time submitted published listed listing_date start valid_from first_reported
            first_submission verification_time""",
        Role.LAST_SEEN: """last_seen lastseen last_seen_utc last_online updated updated_at last_updated lastupdate
            last_update modified modified_at last_modified last_reported last_change""",
        Role.VALID_UNTIL: """valid_until expires expiry expiration expiration_date expires_at expire end valid_to
            expired_at""",
        Role.CONFIDENCE: """confidence confidence_level confidencelevel confidence_score certainty probability
            credibility""",
        Role.TLP: "tlp tlp_label tlp_level tlp_marking marking handling traffic_light_protocol sharing",
        Role.LABELS: """tags tag labels label category categories threat threat_type classification class attack_type
            event_tag attribute_tag indicator_types""",
        Role.THREAT: """malware malware_family malwarefamily family malware_name malware_printable threat_name signature
            malware_type_name""",
        Role.REFERENCE: """reference references ref refs link links source_url urlhaus_link urlhaus_reference permalink
            report report_url more_info phish_detail_url external_reference virustotal vt_link details_url""",
        Role.CREATOR: """source sources provider feed feed_name vendor organisation organization org creator_org
            event_creator_org attribution_org creator producer""",
        Role.SEALED: """reporter reporter_name author submitter submitted_by reported_by user username user_name owner
            contact contact_email analyst phone telephone phone_number registrant registrant_name registrant_email
            display_name full_name person victim account twitter twitter_id telegram added_by assignee""",
        Role.IGNORED: """id ids uuid guid index no row nr number event_id ioc_id attribute_id object_id object_uuid
            phish_id event_uuid attribute_uuid""",
    }.items()
    for word in words.split()
}  # fmt: skip
"""Roles that titles suggest; the content of the column has to agree where it can."""

TITLE_KINDS: Final = {
    **dict.fromkeys(("filename", "file_name", "file"), "file-name"),
    **dict.fromkeys(("filepath", "file_path", "path"), "file-path"),
    **dict.fromkeys(("useragent", "user_agent"), "user-agent"),
    **dict.fromkeys(("registry_key", "regkey"), "registry-key"),
    **dict.fromkeys(("wallet", "btc_address"), "wallet"),
    "mutex": "mutex",
    "asn": "asn",
}
"""Kinds of values that only a title shows."""

_KIND_WORDS: Final = {
    ("ipv4", "ipv6"): """ip ips ipaddr ip_addr ip_address ip_src ip_dst ipv4 ipv6 ipv4_addr ipv6_addr ipv4address
        ipv6address ipaddress address cidr ipv4_cidr ipv6_cidr network netblock subnet net ip_range src_ip dst_ip""",
    (): """ip_port ipport ip_dst_port ip_src_port domain_port hostport indicator ioc""",
    ("domain",): "domain domains domain_name domainname hostname host fqdn dns",
    ("url",): "url urls uri url_full",
    ("md5", "sha1", "sha256", "sha512"): "hash file_hash filehash hashes file",
    ("md5",): "md5 md5_hash filehash_md5 file_md5 hash_md5",
    ("sha1",): "sha1 sha1_hash filehash_sha1 file_sha1 hash_sha1 sha_1 filehash_sha_1",
    ("sha256",): "sha256 sha256_hash filehash_sha256 file_sha256 hash_sha256 sha_256 filehash_sha_256",
    ("sha512",): "sha512 sha512_hash filehash_sha512 hash_sha512 sha_512",
    ("certificate",): """x509_fingerprint_sha1 x509_fingerprint_sha256 x509_fingerprint_md5 certificate ssl_cert
        sslcertfingerprint certificate_fingerprint""",
    ("email",): "email emails email_addr email_address email_src email_dst email_reply_to mail sender",
    ("mac",): "mac mac_addr mac_address",
    ("asn",): "as asn autonomous_system autonomous_system_number",
    ("mutex",): "mutex mutant",
    ("file-name",): "filename file_name",
    ("file-path",): "filepath file_path path",
    ("registry-key",): "regkey registry_key registry windows_registry_key",
    ("user-agent",): "user_agent useragent",
    ("cve",): "cve vulnerability",
    ("wallet",): "wallet btc bitcoin bitcoinaddress bitcoin_address xmr monero crypto_address cryptocurrency_wallet",
    (SEALED,): """user_account username user_name account twitter_id twitter_handle github_username github_repository
        telegram jabber_id phone phone_number prtn whois_registrant_email whois_registrant_name whois_registrant_phone
        whois_registrant_org email_src_display_name email_dst_display_name first_name last_name full_name middle_name
        target_user target_email target_machine target_org facebook instagram tiktok social_media skype_id
        passport_number date_of_birth person email_display_name""",
}
_KINDS_OF: Final = {word: kinds for kinds, words in _KIND_WORDS.items() for word in words.split()}

_TLP: Final = {
    **{tlp.value.lower(): tlp for tlp in Tlp},
    "white": Tlp.CLEAR,  # TLP 1.0
    **dict.fromkeys(("amber_strict", "amber strict", "amber-strict", "amberstrict", "ambr+strict"), Tlp.AMBER_STRICT),
}

_WORDS: Final = {
    # STIX 2.1 appendix A: None/Low/Med/High, Admiralty credibility, WEP and DNI scales.
    Scale.LEVELS: {"none": 0, "low": 15, "med": 50, "medium": 50, "moderate": 50, "high": 85},
    Scale.ADMIRALTY: {"1": 90, "2": 70, "3": 50, "4": 30, "5": 10},
    Scale.WEP: {
        "impossible": 0,
        "highly unlikely": 10,
        "almost certainly not": 10,
        "unlikely": 30,
        "probably not": 30,
        "even chance": 50,
        "likely": 70,
        "probable": 70,
        "highly likely": 90,
        "almost certain": 90,
        "certain": 100,
    },
    Scale.DNI: {
        "almost no chance": 5,
        "remote": 5,
        "very unlikely": 15,
        "highly improbable": 15,
        "unlikely": 30,
        "improbable": 30,
        "roughly even chance": 50,
        "roughly even odds": 50,
        "likely": 70,
        "probable": 70,
        "very likely": 85,
        "highly probable": 85,
        "almost certain": 95,
        "nearly certain": 95,
    },
}
_TOPS: Final = {Scale.HUNDRED: 100, Scale.TEN: 10, Scale.ONE: 1}
_NUMBER: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,9})?")


def title(text: str) -> str:
    """Return a title in the form the tables here have: lower case, words joined by underscores."""
    return _PUNCTUATION.sub("_", text.strip().lower()).strip("_")


def is_nothing(text: str) -> bool:
    """Whether a cell stands for no value."""
    return text.strip().lower() in NOTHING


def is_present(text: str, column: Column) -> bool:
    """Whether a trimmed cell says something: `none` is a level of confidence, and nothing elsewhere."""
    low = text.lower()
    return bool(low) and (low not in NOTHING or (low == "none" and column.scale is Scale.LEVELS))


def kinds(text: str) -> tuple[str, ...] | None:
    """Return the kinds that a kind column's word means: `SEALED` for a person's, none at all for any; None: unknown."""
    return _KINDS_OF.get(title(text))


def tlp(text: str) -> Tlp | None:
    """Return the level of `TLP:AMBER`, `amber`, `tlp:white` and the like; None for any other text."""
    return _TLP.get(text.strip().lower().removeprefix("tlp").lstrip(" :-_"))


def confidence(text: str, scale: Scale) -> int | None:
    """Return confidence from 0 to 100 as STIX 2.1 appendix A maps a scale; None where it says nothing."""
    low = " ".join(text.strip().lower().removesuffix("%").replace("_", " ").split())
    if scale in _WORDS:
        return _WORDS[scale].get(low)
    if not _NUMBER.fullmatch(low):
        return None
    value = float(low) * 100 / _TOPS[scale]
    return round(value) if value <= 100 else None


def scale(texts: list[str]) -> Scale | None:
    """Return the scale that all of these cells are written in, the likeliest where several are possible."""
    fitting = [each for each in Scale if texts and all(confidence(text, each) is not None for text in texts)]
    if not fitting:
        return None
    if any(each in fitting for each in _TOPS):
        top = max(float(text.strip().removesuffix("%")) for text in texts)
        if top <= 1 and any("." in text for text in texts):
            return Scale.ONE
        # Numbers up to ten alone are of a scale of ten where they vary; a column of `100` never comes here.
        return Scale.TEN if top <= 10 and len(set(texts)) > 2 else Scale.HUNDRED
    return fitting[0]
