module msrpcd

go 1.24.0

require github.com/systemd/slog-journal v0.1.2

require golang.org/x/sys v0.40.0 // indirect
