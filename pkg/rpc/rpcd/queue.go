// SPDX-License-Identifier: Apache-2.0

package rpcd

// queue is a list of connections in order of arrival. It is linked through the
// connections themselves, so that joining and leaving costs neither a search
// nor an allocation. Each is in at most one queue by each of its places.
type queue struct {
	first, last *conn
	n           int
	by          uint8 // which place of a connection
}

// places of a connection.
const (
	bySource    = iota // among those of its source that are silent, or bound
	byAge              // among all that are unbound
	byTurn             // among those of its source that wait for their turn
	byHandshake        // among those of its source with a handshake that is not over
	nPlaces
)

// place is a connection's place in a queue.
type place struct{ before, after *conn }

func (q *queue) push(c *conn) {
	c.places[q.by] = place{before: q.last}
	if q.last != nil {
		q.last.places[q.by].after = c
	} else {
		q.first = c
	}
	q.last = c
	q.n++
}

// remove takes out a connection that is in the queue.
func (q *queue) remove(c *conn) {
	at := c.places[q.by]
	if at.before != nil {
		at.before.places[q.by].after = at.after
	} else {
		q.first = at.after
	}
	if at.after != nil {
		at.after.places[q.by].before = at.before
	} else {
		q.last = at.before
	}
	c.places[q.by] = place{}
	q.n--
}
