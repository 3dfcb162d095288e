// SPDX-License-Identifier: Apache-2.0

package rc4

// Cipher is where the stream of a key is.
type Cipher struct {
	S    [256]byte
	I, J byte
}

// Init begins the stream of a key.
func (c *Cipher) Init(key []byte) {
	*c = Cipher{}
	for i := range c.S {
		c.S[i] = byte(i)
	}
	var j byte
	for i := range c.S {
		j += c.S[i] + key[i%len(key)]
		c.S[i], c.S[j] = c.S[j], c.S[i]
	}
}

// Crypt enciphers or deciphers b in place.
func (c *Cipher) Crypt(b []byte) {
	i, j := c.I, c.J
	for k := range b {
		i++
		x := c.S[i]
		j += x
		y := c.S[j]
		c.S[i], c.S[j] = y, x
		b[k] ^= c.S[x+y]
	}
	c.I, c.J = i, j
}
