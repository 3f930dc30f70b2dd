// Package security makes TLS configurations and SASL exchanges from a producer's
// security settings, which are those of Kafka by name and meaning.
//
//	Settings ─┬─ TLSConfig ─▶ *tls.Config ─▶ Handshake, over a connection
//	          └─ Login ─────▶ *Login ─▶ Authenticator, one exchange on one connection
//
// It opens no connection to brokers and starts no goroutine: the connection
// carries an Authenticator's messages, and a token that is old is renewed when
// the next connection needs one. Only the token retrievers of OAUTHBEARER reach
// out, to the identity provider.
//
// Offered are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER, and for
// certificates PEM, PKCS12 and JKS. GSSAPI (Kerberos) is not, and says so.
//
// Errors about a setting are a *config.Error: which setting, what is wrong with
// it and what to do, and never a password.
package security
