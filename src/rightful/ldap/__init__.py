"""The client's part of LDAP that reading a directory takes (RFC 4511): bind, StartTLS, search."""
