// SPDX-License-Identifier: Apache-2.0

package catalogue

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"msrpcd/pkg/plan/config"
	"msrpcd/pkg/wire/listing"
	"msrpcd/tests/tools/check"
	"msrpcd/tests/vectors"
)

func sample(t *testing.T) *Catalogue {
	t.Helper()
	l, err := listing.Parse(vectors.Read(t, "listings/4.17/rpcd_classic.txt"))
	check.OK(t, err)
	return &Catalogue{
		Samba: &config.Samba{
			ConfigFile: "/etc/samba/smb.conf", Version: "4.22.11-Debian", NcalrpcDir: "/run/samba/ncalrpc",
			NPDir: "/run/samba/ncalrpc/np", LockDir: "/run/samba", PortLow: 49152, PortHigh: 65535,
			Interfaces: []string{"lo"}, NetbiosName: "HOST", GuestAccount: "nobody",
		},
		MessagingDir: "/run/samba",
		Addresses:    []string{"192.0.2.1", "2001:db8::1"},
		Rpcds: []Entry{
			{
				Name: "classic", Exec: "/usr/libexec/samba/rpcd_classic", Kind: config.KindSamba,
				Binary:       Binary{Size: 123456, MTimeNS: 1700000000123456789, Inode: 4711},
				SambaVersion: "4.22.11", Listing: *l, Port: 49200,
			},
			{
				Name: "npsd_ts", Exec: "/usr/libexec/samba/npsd_ts", Kind: config.KindSamba, SambaVersion: "4.25.1",
				Listing: listing.Listing{Workers: 1, IdleSec: 10, Pipes: []listing.Pipe{
					{Name: "tsvcpipe", FileType: 2, DeviceState: 0x5ff, Allocation: 4096},
				}},
			},
			{Name: "broken", Exec: "/opt/x y/rpcd_broken", Kind: config.KindNative, Failure: "exit status 1"},
			{
				Name: "epmapper", Exec: "/opt/rpcd_epmapper", Kind: config.KindNative,
				SambaTwin: &Twin{Exec: "/usr/libexec/samba/rpcd_epmapper", Listing: listing.Listing{Workers: 1, IdleSec: 10}, Failure: "exit status 2"},
			},
			{Name: "twin", Exec: "/opt/rpcd_twin", Kind: config.KindNative, SambaTwin: &Twin{Exec: "/usr/libexec/samba/rpcd_twin"}},
		},
		Problems: []config.Problem{{What: "something\nis wrong", Remedy: "mend it"}},
	}
}

func TestWriteThenRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalogue.db")
	for _, c := range []*Catalogue{sample(t), {}, {Addresses: []string{}}} {
		check.OK(t, Write(path, c))
		got, err := Read(path)
		check.OK(t, err)
		if d := cmp.Diff(c, got); d != "" {
			t.Errorf("written and read differ (-want +got):\n%s", d)
		}
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, error %v, want 0644", st.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("%d files are left, want 1", len(left))
	}
}

func TestANativeRpcdKeepsOutWhereSambasListsNothing(t *testing.T) {
	serves := listing.Listing{Workers: 1, IdleSec: 10, Interfaces: []listing.Interface{{Name: "epmapper"}}}
	for _, c := range []struct {
		name string
		kind config.Kind
		twin *Twin
		want bool
	}{
		{"no Samba", config.KindNative, nil, false},
		{"Samba serves it from an rpcd", config.KindNative, &Twin{Listing: serves}, false},
		{"Samba serves it elsewhere", config.KindNative, &Twin{Listing: listing.Listing{Workers: 1, IdleSec: 10}}, true},
		{"the last good listing counts", config.KindNative, &Twin{Listing: listing.Listing{Workers: 1}, Failure: "exit status 1"}, true},
		{"never listed", config.KindNative, &Twin{Failure: "exit status 1"}, false},
		{"a pipe without DCE/RPC", config.KindNative, &Twin{Listing: listing.Listing{Workers: 1, Pipes: []listing.Pipe{{Name: "x"}}}}, false},
		{"Samba's own", config.KindSamba, &Twin{Listing: listing.Listing{Workers: 1}}, false},
	} {
		e := Entry{Name: "epmapper", Kind: c.kind, SambaTwin: c.twin}
		check.Is(t, c.name, c.want, e.KeepsOut())
	}
}

func TestReadTellsWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	check.OK(t, Write(good, sample(t)))
	whole := check.File(t, good)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for _, c := range []struct {
		name string
		data []byte
		want error
	}{
		{"empty", nil, ErrFormat},
		{"short", []byte("x"), ErrFormat},
		{"garbage", bytes.Repeat([]byte("catalogue"), 5000), ErrFormat},
		{"truncated", whole[:len(whole)/2], ErrFormat},
		{"without its end", whole[:len(whole)-1], ErrFormat},
		{"one bit", flipped, ErrFormat},
		{"sealed garbage", sealed(t, bytes.Repeat([]byte{0xff}, 70000)), ErrFormat},
		{"sealed nothing", sealed(t, make([]byte, 65536)), ErrFormat},
	} {
		path := filepath.Join(dir, "bad")
		check.OK(t, os.WriteFile(path, c.data, 0o644))
		if _, err := Read(path); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
	}
	for _, path := range []string{filepath.Join(dir, "absent"), filepath.Join(good, "below-a-file")} {
		if _, err := Read(path); !errors.Is(err, ErrNone) {
			t.Errorf("%s: error %v, want ErrNone", path, err)
		}
	}
	if _, err := Read(dir); !errors.Is(err, ErrFormat) {
		t.Errorf("a directory: error %v, want ErrFormat", err)
	}
}

// sealed puts a right trailer behind data, as no program of ours would.
func sealed(t *testing.T, data []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x")
	check.OK(t, os.WriteFile(path, data, 0o644))
	check.OK(t, seal(path))
	b := check.File(t, path)
	return b
}

// A database that is whole but says what a unit or path cannot be made of.
func TestReadChecksContents(t *testing.T) {
	for name, change := range map[string]func(*bolt.Tx) error{
		"other version": func(tx *bolt.Tx) error {
			return tx.Bucket(bucketMeta).Put(keyVersion, []byte("2"))
		},
		"no bucket": func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketRpcds) },
		"not JSON":  func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyHead, []byte("{")) },
		"name of a path": func(tx *bolt.Tx) error {
			return tx.Bucket(bucketRpcds).Put([]byte("zz"), []byte(`{"name":"../x","exec":"/x","kind":"samba"}`))
		},
		"listing with a pipe ..": func(tx *bolt.Tx) error {
			return tx.Bucket(bucketRpcds).Put([]byte("zz"),
				[]byte(`{"name":"x","exec":"/x","kind":"samba","listing":"5\n60\n338cd001-2244-31f1-aaaa-900038001003/0x00000001 winreg\n ncacn_np:[\\pipe\\..]\n"}`))
		},
	} {
		path := filepath.Join(t.TempDir(), "db")
		check.OK(t, sample(t).save(path))
		db, err := bolt.Open(path, 0o600, nil)
		check.OK(t, err)
		check.OK(t, db.Update(change))
		check.OK(t, db.Close())
		check.OK(t, seal(path))
		if _, err := Read(path); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: error %v, want ErrFormat", name, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*Catalogue){
		"name":             func(c *Catalogue) { c.Rpcds[0].Name = "a-b" },
		"empty name":       func(c *Catalogue) { c.Rpcds[0].Name = "" },
		"name twice":       func(c *Catalogue) { c.Rpcds[1].Name = c.Rpcds[0].Name },
		"relative program": func(c *Catalogue) { c.Rpcds[0].Exec = "rpcd_x" },
		"unclean program":  func(c *Catalogue) { c.Rpcds[0].Exec = "/usr/../x" },
		"newline":          func(c *Catalogue) { c.Rpcds[0].Exec = "/x\ny" },
		"not UTF-8":        func(c *Catalogue) { c.Rpcds[0].Exec = "/x\xff" },
		"kind":             func(c *Catalogue) { c.Rpcds[0].Kind = "other" },
		"port":             func(c *Catalogue) { c.Rpcds[0].Port = 65536 },
		"address":          func(c *Catalogue) { c.Addresses = []string{"eth0"} },
		"address's zone":   func(c *Catalogue) { c.Addresses = []string{"fe80::1%eth0"} },
		"messaging":        func(c *Catalogue) { c.MessagingDir = "x" },
		"smb.conf":         func(c *Catalogue) { c.Samba.NPDir = "/a\x00b" },
		"too many":         func(c *Catalogue) { c.Rpcds = make([]Entry, MaxRpcds+1) },
	} {
		c := sample(t)
		change(c)
		path := filepath.Join(t.TempDir(), "db")
		if err := Write(path, c); err == nil {
			t.Errorf("%s: was written", name)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: there is a file", name)
		}
	}
}

// Any user may lock a file that he can read: no lock of others keeps a reader
// waiting.
func TestReadDoesNotWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	check.OK(t, Write(path, sample(t)))
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	check.OK(t, err)
	if _, err := Read(path); err != nil {
		t.Errorf("beside a reader: %v", err)
	}
	check.OK(t, db.Close())
	if db, err = bolt.Open(path, 0o600, nil); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := Read(path); err != nil {
		t.Errorf("beside one who locks it for writing: %v", err)
	}
}

func TestEntryByName(t *testing.T) {
	c := sample(t)
	if e := c.Entry("npsd_ts"); e == nil || e != &c.Rpcds[1] {
		t.Errorf("Entry(npsd_ts) = %v", e)
	}
	if e := c.Entry("none"); e != nil {
		t.Errorf("Entry(none) = %v, want nil", e)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("x"))
	f.Add(bytes.Repeat([]byte{0}, 40000))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "db")
		check.OK(t, os.WriteFile(path, data, 0o644))
		if _, err := Read(path); !errors.Is(err, ErrFormat) {
			t.Errorf("error %v, want ErrFormat", err)
		}
	})
}

func TestTooManyProblemsAreCounted(t *testing.T) {
	c := &Catalogue{}
	c.SetProblems(make([]config.Problem, MaxProblems))
	if c.Validate() != nil || c.Problems[MaxProblems-1].What != "" {
		t.Errorf("%d problems: %q", MaxProblems, c.Problems[MaxProblems-1])
	}
	c.SetProblems(make([]config.Problem, MaxProblems+5))
	if err := c.Validate(); err != nil || c.Problems[MaxProblems-1].What != "and 6 more problems" {
		t.Errorf("%v, %q", err, c.Problems[MaxProblems-1])
	}
}
