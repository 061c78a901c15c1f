module tlsdecrypt.example/go_peer

go 1.24
