-- To whom the package is sealed: a public key of age, '' where it is not; and where a passphrase opens it, the file (key.age) that holds the
-- secret half of that key, sealed by the passphrase, which is kept nowhere.

ALTER TABLE operation ADD COLUMN recipient TEXT NOT NULL DEFAULT '';
ALTER TABLE operation ADD COLUMN key_file BLOB;
