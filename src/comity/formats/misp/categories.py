"""Which attribute types MISP allows in which category, and the category of each by default.

Rules: data only, the standard's `category_type_mappings` and `sane_defaults`. Types that are sealed are left out:
nothing is written of them.
"""

from __future__ import annotations

from typing import Final

_ALLOWED: Final = {  # types between commas
    "Internal reference": """
        text, link, comment, other, hex, anonymised, git-commit-id
    """,
    "Targeting data": """
        target-machine, target-org, target-location, target-external, comment, anonymised
    """,
    "Antivirus detection": """
        link, comment, text, hex, attachment, other, anonymised
    """,
    "Payload delivery": """
        md5, sha1, sha224, sha256, sha384, sha512, sha512/224, sha512/256, sha3-224, sha3-256, sha3-384,
        sha3-512, ssdeep, imphash, telfhash, impfuzzy, authentihash, vhash, pehash, tlsh, cdhash, filename,
        filename|md5, filename|sha1, filename|sha224, filename|sha256, filename|sha384, filename|sha512,
        filename|sha512/224, filename|sha512/256, filename|sha3-224, filename|sha3-256, filename|sha3-384,
        filename|sha3-512, filename|authentihash, filename|vhash, filename|ssdeep, filename|tlsh,
        filename|imphash, filename|impfuzzy, filename|pehash, mac-address, mac-eui-64, ip-src, ip-dst,
        ip-dst|port, ip-src|port, hostname, domain, email, email-src, email-dst, email-subject,
        email-attachment, email-body, url, user-agent, AS, pattern-in-file, pattern-in-traffic,
        filename-pattern, stix2-pattern, yara, sigma, mime-type, attachment, malware-sample, link, malware-type,
        comment, text, hex, vulnerability, cpe, weakness, x509-fingerprint-sha1, x509-fingerprint-md5,
        x509-fingerprint-sha256, ja3-fingerprint-md5, jarm-fingerprint, hassh-md5, hasshserver-md5, other,
        hostname|port, email-header, email-reply-to, email-x-mailer, email-mime-boundary, email-thread-index,
        email-message-id, azure-application-id, mobile-application-id, chrome-extension-id, edge-extension-id,
        anonymised, onion-address
    """,
    "Artifacts dropped": """
        md5, sha1, sha224, sha256, sha384, sha512, sha512/224, sha512/256, sha3-224, sha3-256, sha3-384,
        sha3-512, ssdeep, imphash, telfhash, impfuzzy, authentihash, vhash, cdhash, filename, filename|md5,
        filename|sha1, filename|sha224, filename|sha256, filename|sha384, filename|sha512, filename|sha512/224,
        filename|sha512/256, filename|sha3-224, filename|sha3-256, filename|sha3-384, filename|sha3-512,
        filename|authentihash, filename|vhash, filename|ssdeep, filename|tlsh, filename|imphash,
        filename|impfuzzy, filename|pehash, regkey, regkey|value, pattern-in-file, pattern-in-memory,
        filename-pattern, pdb, stix2-pattern, yara, sigma, attachment, malware-sample, named pipe, mutex,
        process-state, windows-scheduled-task, windows-service-name, windows-service-displayname, comment, text,
        hex, x509-fingerprint-sha1, x509-fingerprint-md5, x509-fingerprint-sha256, other, cookie, gene,
        kusto-query, mime-type, anonymised
    """,
    "Payload installation": """
        md5, sha1, sha224, sha256, sha384, sha512, sha512/224, sha512/256, sha3-224, sha3-256, sha3-384,
        sha3-512, ssdeep, imphash, telfhash, impfuzzy, authentihash, vhash, pehash, tlsh, cdhash, filename,
        filename|md5, filename|sha1, filename|sha224, filename|sha256, filename|sha384, filename|sha512,
        filename|sha512/224, filename|sha512/256, filename|sha3-224, filename|sha3-256, filename|sha3-384,
        filename|sha3-512, filename|authentihash, filename|vhash, filename|ssdeep, filename|tlsh,
        filename|imphash, filename|impfuzzy, filename|pehash, pattern-in-file, pattern-in-traffic,
        pattern-in-memory, filename-pattern, stix2-pattern, yara, sigma, vulnerability, cpe, weakness,
        attachment, malware-sample, malware-type, comment, text, hex, x509-fingerprint-sha1,
        x509-fingerprint-md5, x509-fingerprint-sha256, azure-application-id, mobile-application-id,
        chrome-extension-id, edge-extension-id, other, mime-type, anonymised
    """,
    "Persistence mechanism": """
        filename, regkey, regkey|value, comment, text, other, hex, anonymised
    """,
    "Network activity": """
        ip-src, ip-dst, ip-dst|port, ip-src|port, port, hostname, domain, domain|ip, mac-address, mac-eui-64,
        email, email-dst, email-src, url, uri, user-agent, http-method, AS, snort, suricata, pattern-in-file,
        filename-pattern, stix2-pattern, pattern-in-traffic, attachment, comment, text, x509-fingerprint-md5,
        x509-fingerprint-sha1, x509-fingerprint-sha256, ja3-fingerprint-md5, jarm-fingerprint, hassh-md5,
        hasshserver-md5, other, hex, cookie, hostname|port, bro, zeek, anonymised, community-id, email-subject,
        favicon-mmh3, dkim, dkim-signature, ssh-fingerprint, dom-hash, onion-address
    """,
    "Payload type": """
        comment, text, other, anonymised
    """,
    "Attribution": """
        threat-actor, campaign-name, campaign-id, whois-registrar, whois-creation-date, comment, text,
        x509-fingerprint-sha1, x509-fingerprint-md5, x509-fingerprint-sha256, other, dns-soa-email, anonymised,
        email
    """,
    "External analysis": """
        md5, sha1, sha256, sha3-224, sha3-256, sha3-384, sha3-512, filename, filename|md5, filename|sha1,
        filename|sha256, filename|sha3-224, filename|sha3-256, filename|sha3-384, filename|sha3-512, ip-src,
        ip-dst, ip-dst|port, ip-src|port, mac-address, mac-eui-64, hostname, domain, domain|ip, url, user-agent,
        regkey, regkey|value, AS, snort, suricata, bro, zeek, pattern-in-file, pattern-in-traffic,
        pattern-in-memory, filename-pattern, vulnerability, cpe, weakness, attachment, malware-sample, link,
        comment, text, x509-fingerprint-sha1, x509-fingerprint-md5, x509-fingerprint-sha256,
        ja3-fingerprint-md5, jarm-fingerprint, hassh-md5, hasshserver-md5, github-repository, other, cortex,
        anonymised, community-id, dom-hash, onion-address
    """,
    "Financial fraud": """
        btc, dash, xmr, bic, aba-rtn, bin, comment, text, other, hex, anonymised
    """,
    "Support Tool": """
        link, text, attachment, comment, other, hex, anonymised
    """,
    "Social network": """
        github-repository, github-organisation, email, email-src, email-dst, comment, text, other, anonymised
    """,
    "Person": """
        comment, text, other, anonymised, email
    """,
    "Other": """
        comment, text, other, size-in-bytes, counter, integer, datetime, cpe, port, float, hex, boolean,
        anonymised, uuid
    """,
}
_DEFAULTS: Final = {  # of types whose default is not `Payload delivery`
    "Other": """
        float, comment, text, hex, other, size-in-bytes, counter, integer, datetime, boolean, anonymised, uuid
    """,
    "Network activity": """
        http-method, ja3-fingerprint-md5, jarm-fingerprint, favicon-mmh3, hassh-md5, hasshserver-md5,
        community-id, dom-hash, pattern-in-traffic, ssh-fingerprint, cookie, mac-eui-64, dkim, dkim-signature,
        onion-address, ip-src, ip-dst, hostname, domain, domain|ip, ip-dst|port, ip-src|port, hostname|port,
        port, email-dst, url, uri, user-agent, AS, mac-address, x509-fingerprint-md5, x509-fingerprint-sha1,
        x509-fingerprint-sha256, snort, suricata, bro, zeek
    """,
    "Artifacts dropped": """
        mime-type, process-state, gene, kusto-query, pdb, named pipe, windows-scheduled-task,
        windows-service-name, windows-service-displayname, mutex
    """,
    "External analysis": """
        weakness, cpe, link, cortex, attachment, vulnerability
    """,
    "Targeting data": """
        target-machine, target-org, target-location, target-external
    """,
    "Attribution": """
        campaign-id, whois-registrar, whois-creation-date, dns-soa-email, threat-actor, campaign-name
    """,
    "Financial fraud": """
        bic, aba-rtn, bin, btc, dash, xmr
    """,
    "Social network": """
        github-repository, github-organisation, email
    """,
    "Payload installation": """
        pattern-in-file, pattern-in-memory, filename-pattern, yara, sigma, stix2-pattern
    """,
    "Internal reference": """
        git-commit-id
    """,
    "Persistence mechanism": """
        regkey, regkey|value
    """,
}


def _names(text: str) -> frozenset[str]:
    return frozenset(" ".join(text.split()).split(", "))


ALLOWED: Final = {category: _names(types) for category, types in _ALLOWED.items()}
"""The types that a category may have."""
_DEFAULT: Final = {name: category for category, types in _DEFAULTS.items() for name in _names(types)}


def category(kind: str, wanted: str = "") -> str:
    """Return the category of an attribute type: the one that is wanted, if it may have the type, else its default."""
    return wanted if kind in ALLOWED.get(wanted, ()) else _DEFAULT.get(kind, "Payload delivery")
