// SPDX-License-Identifier: Apache-2.0

package catalogue

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"msrpcd/pkg/host/sys"
	"msrpcd/pkg/wire/listing"
)

// Write puts the catalogue at path, mode 0644: aside, synced, renamed. A
// reader sees the old file or the new one; after a power failure too.
func Write(path string, c *Catalogue) error {
	if err := c.Validate(); err != nil {
		return fmt.Errorf("write catalogue: %w", err)
	}
	err := sys.Replace(path, func(f *os.File) error {
		if err := c.save(f.Name()); err != nil {
			return err
		}
		return seal(f.Name())
	})
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write catalogue %s: %w", path, err)
	}
	return nil
}

// save fills the empty file at path with a database.
func (c *Catalogue) save(path string) error {
	db, err := bolt.Open(path, 0o644, &bolt.Options{Timeout: lockTimeout, NoSync: true})
	if err != nil {
		return err
	}
	err = db.Update(c.store)
	if e := db.Close(); err == nil {
		err = e
	}
	return err
}

func (c *Catalogue) store(tx *bolt.Tx) error {
	meta, err := tx.CreateBucket(bucketMeta)
	if err != nil {
		return err
	}
	rpcds, err := tx.CreateBucket(bucketRpcds)
	if err != nil {
		return err
	}
	h := head{MessagingDir: c.MessagingDir, Addresses: c.Addresses, Sets: c.Sets, Problems: c.Problems}
	if c.Samba != nil {
		if h.Samba, err = json.Marshal(c.Samba); err != nil {
			return err
		}
	}
	if err := put(meta, keyHead, h); err != nil {
		return err
	}
	if err := meta.Put(keyVersion, []byte(version)); err != nil {
		return err
	}
	for i := range c.Rpcds {
		r, err := newRecord(&c.Rpcds[i])
		if err != nil {
			return err
		}
		if err := put(rpcds, binary.BigEndian.AppendUint16(nil, uint16(i)), r); err != nil {
			return err
		}
	}
	return nil
}

func put(b *bolt.Bucket, key []byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, text)
}

func newRecord(e *Entry) (*record, error) {
	r := &record{
		Name: e.Name, Exec: e.Exec, Kind: string(e.Kind),
		Size: e.Binary.Size, MTimeNS: e.Binary.MTimeNS, Inode: e.Binary.Inode,
		SambaVersion: e.SambaVersion, Port: e.Port, Failure: e.Failure,
	}
	var err error
	if r.Listing, err = text(&e.Listing); err != nil {
		return nil, fmt.Errorf("rpcd %s: listing: %w", e.Name, err)
	}
	if t := e.SambaTwin; t != nil {
		r.Twin = &twin{Exec: t.Exec, Failure: t.Failure}
		if r.Twin.Listing, err = text(&t.Listing); err != nil {
			return nil, fmt.Errorf("rpcd %s: listing of Samba's program: %w", e.Name, err)
		}
	}
	return r, nil
}

// text is what parse reads.
func text(l *listing.Listing) (string, error) {
	if l.Workers == 0 { // a listing has at least one; 0: it was never listed
		return "", nil
	}
	b, err := l.AppendText(nil)
	return string(b), err
}

// seal appends the trailer and makes the file durable and readable for all.
func seal(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	if n+int64(trailerSize) > MaxSize {
		return fmt.Errorf("%d bytes are more than %d", n, MaxSize)
	}
	if _, err := f.Write(h.Sum([]byte(trailerMark))); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
