// SPDX-License-Identifier: Apache-2.0

package catalogue

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/wire/listing"
)

// Buckets and keys. A format that is not understood by older programs gets a
// new version.
var (
	bucketMeta  = []byte("msrpcd")
	bucketRpcds = []byte("rpcds") // key: big-endian u16, the place in priority order; value: JSON of record

	keyVersion = []byte("version")
	keyHead    = []byte("head") // JSON of head
)

const version = "1"

// trailer is what follows the database in the file: a mark and the SHA-256 of
// all before the trailer.
const (
	trailerMark = "\nMSRPCCAT"
	trailerSize = len(trailerMark) + sha256.Size
)

// lockTimeout bounds the wait for a lock that no process has: a file is written
// under another name, and read from a copy.
const lockTimeout = 100 * time.Millisecond

// head is everything but the rpcds.
type head struct {
	Samba        json.RawMessage  `json:"samba,omitempty"`
	MessagingDir string           `json:"messaging_dir,omitempty"`
	Addresses    []string         `json:"addresses"` // null = all
	Sets         []int            `json:"sets,omitempty"`
	Problems     []config.Problem `json:"problems,omitempty"`
}

// record is one rpcd. The listing is kept as its text, so that reading it
// checks it again.
type record struct {
	Name         string `json:"name"`
	Exec         string `json:"exec"`
	Kind         string `json:"kind"`
	Size         int64  `json:"size"`
	MTimeNS      int64  `json:"mtime_ns"`
	Inode        uint64 `json:"inode"`
	SambaVersion string `json:"samba_version,omitempty"`
	Listing      string `json:"listing,omitempty"` // "" = it was never listed
	Port         int    `json:"port,omitempty"`
	Failure      string `json:"failure,omitempty"`
	Twin         *twin  `json:"samba_twin,omitempty"`
}

// twin is an Entry's SambaTwin.
type twin struct {
	Exec    string `json:"exec"`
	Listing string `json:"listing,omitempty"`
	Failure string `json:"failure,omitempty"`
}

// Read reads the catalogue at path, and changes nothing. The error wraps
// ErrNone when there is none, ErrFormat when the file is damaged or no
// catalogue.
func Read(path string) (*Catalogue, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, fmt.Errorf("%s: %w", path, ErrNone)
	}
	if err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	defer f.Close()
	private, err := verifiedCopy(f)
	if err != nil {
		return nil, fmt.Errorf("catalogue %s: %w", path, err)
	}
	// bbolt gets the very bytes that were verified, and closes their file.
	db, err := bolt.Open(path, 0, &bolt.Options{
		ReadOnly: true,
		Timeout:  lockTimeout,
		OpenFile: func(string, int, os.FileMode) (*os.File, error) { return private, nil },
	})
	if err != nil {
		private.Close()
		return nil, fmt.Errorf("catalogue %s: %w: %w", path, ErrFormat, err)
	}
	defer db.Close()
	c := &Catalogue{}
	if err := db.View(c.load); err != nil {
		return nil, fmt.Errorf("catalogue %s: %w: %w", path, ErrFormat, err)
	}
	return c, nil
}

// verifiedCopy is the catalogue in memory. bbolt locks what it reads, and any
// user may lock a file that he can read: a lock on the catalogue itself would
// keep the generator from it.
func verifiedCopy(f *os.File) (*os.File, error) {
	fd, err := unix.MemfdCreate("catalogue", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory for a copy: %w", err)
	}
	private := os.NewFile(uintptr(fd), f.Name())
	if err = verify(f, private); err != nil {
		private.Close()
		return nil, err
	}
	return private, nil
}

// verify checks kind, size and checksum, and copies what it has checked.
func verify(f *os.File, to io.Writer) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Size() <= int64(trailerSize) || st.Size() > MaxSize {
		return ErrFormat
	}
	size := st.Size() - int64(trailerSize)
	h := sha256.New()
	if n, err := io.Copy(io.MultiWriter(h, to), io.NewSectionReader(f, 0, size)); err != nil || n != size {
		return fmt.Errorf("%w: it cannot be read to its end", ErrFormat)
	}
	var tail [trailerSize]byte
	if _, err := f.ReadAt(tail[:], size); err != nil {
		return fmt.Errorf("%w: it cannot be read to its end", ErrFormat)
	}
	if !bytes.Equal(tail[:], h.Sum([]byte(trailerMark))) {
		return fmt.Errorf("%w: its checksum is wrong", ErrFormat)
	}
	return nil
}

func (c *Catalogue) load(tx *bolt.Tx) error {
	meta, rpcds := tx.Bucket(bucketMeta), tx.Bucket(bucketRpcds)
	if meta == nil || rpcds == nil {
		return errors.New("it has no contents")
	}
	if v := meta.Get(keyVersion); string(v) != version {
		return fmt.Errorf("it has version %.20q, this program reads %q", v, version)
	}
	var h head
	if err := json.Unmarshal(meta.Get(keyHead), &h); err != nil {
		return err
	}
	if h.Samba != nil {
		if err := json.Unmarshal(h.Samba, &c.Samba); err != nil {
			return err
		}
	}
	c.MessagingDir, c.Addresses, c.Sets, c.Problems = h.MessagingDir, h.Addresses, h.Sets, h.Problems
	err := rpcds.ForEach(func(_, v []byte) error {
		var r record
		if err := json.Unmarshal(v, &r); err != nil {
			return err
		}
		e, err := r.entry()
		if err == nil {
			c.Rpcds = append(c.Rpcds, e)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Validate()
}

func (r *record) entry() (Entry, error) {
	e := Entry{
		Name: r.Name, Exec: r.Exec, Kind: config.Kind(r.Kind),
		Binary:       Binary{Size: r.Size, MTimeNS: r.MTimeNS, Inode: r.Inode},
		SambaVersion: r.SambaVersion, Port: r.Port, Failure: r.Failure,
	}
	var err error
	if e.Listing, err = parse(r.Listing); err != nil {
		return e, fmt.Errorf("rpcd %.40q: listing: %w", r.Name, err)
	}
	if t := r.Twin; t != nil {
		e.SambaTwin = &Twin{Exec: t.Exec, Failure: t.Failure}
		if e.SambaTwin.Listing, err = parse(t.Listing); err != nil {
			return e, fmt.Errorf("rpcd %.40q: listing of Samba's program: %w", r.Name, err)
		}
	}
	return e, nil
}

// parse reads a kept listing; "" is that of a program that never was listed.
func parse(text string) (listing.Listing, error) {
	if text == "" {
		return listing.Listing{}, nil
	}
	l, err := listing.Parse([]byte(text))
	if err != nil {
		return listing.Listing{}, err
	}
	return *l, nil
}
