// Go's TLS on both sides, with Encrypted Client Hello (RFC 9849): go_peer serve|ask, see go_story.py.
package main

import (
	"crypto/ecdh"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"flag"
	"io"
	"log"
	"net"
	"os"
)

var (
	certificates = flag.String("certificates", "", "PEM file: the server's certificates, or whom the client trusts")
	privateKey   = flag.String("key", "", "PEM file: the server's private key")
	ech          = flag.String("ech", "", "PEM file of RFC 9934: the key of Encrypted Client Hello and its configurations")
	keyLog       = flag.String("keylog", "", "file to which the client appends its secrets")
	request      = flag.String("request", "", "what the client says")
	answer       = flag.String("answer", "", "what the server says")
)

const (
	usual   = ":443"
	retries = ":8443" // here the server knows a group only that clients send no share of
	name    = "mail.contoso.com"
)

func main() {
	command := os.Args[1]
	if err := flag.CommandLine.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	if command == "serve" {
		serve()
	} else {
		ask()
	}
}

func blocks(path string) map[string][]byte {
	text, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	found := map[string][]byte{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		found[block.Type] = block.Bytes
	}
	return found
}

func serve() {
	identity, err := tls.LoadX509KeyPair(*certificates, *privateKey)
	if err != nil {
		log.Fatal(err)
	}
	found := blocks(*ech)
	key, err := x509.ParsePKCS8PrivateKey(found["PRIVATE KEY"])
	if err != nil {
		log.Fatal(err)
	}
	list := found["ECHCONFIG"]
	length := binary.BigEndian.Uint16(list[4:])
	config := tls.Config{
		Certificates: []tls.Certificate{identity},
		MinVersion:   tls.VersionTLS13,
		EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{
			{Config: list[2 : 6+length], PrivateKey: key.(*ecdh.PrivateKey).Bytes()},
		},
	}
	withRetries := config.Clone()
	withRetries.CurvePreferences = []tls.CurveID{tls.CurveP384}
	go listen(retries, withRetries)
	listen(usual, &config)
}

func listen(address string, config *tls.Config) {
	listener, err := tls.Listen("tcp", address, config)
	if err != nil {
		log.Fatal(err)
	}
	for {
		link, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go talk(link)
	}
}

func talk(link net.Conn) {
	defer link.Close()
	asked := make([]byte, len(*request))
	if _, err := io.ReadFull(link, asked); err == nil {
		link.Write([]byte(*answer))
	}
}

func ask() {
	trusted := x509.NewCertPool()
	text, err := os.ReadFile(*certificates)
	if err != nil {
		log.Fatal(err)
	}
	trusted.AppendCertsFromPEM(text)
	secrets, err := os.OpenFile(*keyLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	config := tls.Config{
		ServerName:                     name,
		RootCAs:                        trusted,
		KeyLogWriter:                   secrets,
		ClientSessionCache:             tls.NewLRUClientSessionCache(1),
		EncryptedClientHelloConfigList: blocks(*ech)["ECHCONFIG"],
	}
	for _, port := range []string{usual, usual, retries} {
		link, err := tls.Dial("tcp", name+port, &config)
		if err != nil {
			log.Fatal(err)
		}
		link.Write([]byte(*request))
		if _, err := io.ReadAll(link); err != nil {
			log.Fatal(err)
		}
		link.Close()
	}
}
