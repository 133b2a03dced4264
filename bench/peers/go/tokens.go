package main

import (
	"crypto/ecdsa"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// tokens verifies bearer tokens, and remembers those that are valid.
type tokens struct {
	key      *ecdsa.PublicKey
	parser   *jwt.Parser
	verified sync.Map // the token's text -> *jwt.RegisteredClaims
}

func newTokens() (*tokens, error) {
	key, err := jwt.ParseECPublicKeyFromPEM([]byte(os.Getenv("PUBLIC_KEY")))
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer("shop-auth"), jwt.WithAudience("shop"))
	return &tokens{key: key, parser: parser}, err
}

// customer of a request, or "" when its token is not valid.
func (t *tokens) customer(r *http.Request) string {
	text, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return ""
	}
	if known, ok := t.verified.Load(text); ok {
		claims := known.(*jwt.RegisteredClaims)
		if jwt.NewValidator(jwt.WithExpirationRequired()).Validate(claims) == nil {
			return claims.Subject
		}
		t.verified.Delete(text)
		return ""
	}
	claims := &jwt.RegisteredClaims{}
	if _, err := t.parser.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return t.key, nil }); err != nil {
		return ""
	}
	t.verified.Store(text, claims)
	return claims.Subject
}
