"""Files of age (age-encryption.org/v1), written and read as streams whose length is known in advance. Pure.

The format is that of https://c2sp.org/age (seen 2026-11-29). Two kinds of recipients: a public key (X25519) and a passphrase (scrypt).
"""
