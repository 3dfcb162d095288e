// SPDX-License-Identifier: Apache-2.0

package source

// Table has a value for each source that is in it. It costs no allocation to
// add one where another has been, and no memory for those that have gone.
type Table[T any] struct {
	index map[Source]int32
	rows  []row[T]
	free  []int32
}

type row[T any] struct {
	source Source
	value  T
}

// None is the index of no row.
const None = int32(-1)

// fewRows are not worth to be given back.
const fewRows = 64

// Len is the number of sources.
func (t *Table[T]) Len() int { return len(t.index) }

// Find is the row of a source, None where it is not in the table.
func (t *Table[T]) Find(s Source) int32 {
	if i, ok := t.index[s]; ok {
		return i
	}
	return None
}

// Add makes the row of a source that is not in the table.
func (t *Table[T]) Add(s Source, value T) int32 {
	if t.index == nil {
		t.index = map[Source]int32{}
	}
	var i int32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		i = int32(len(t.rows))
		t.rows = append(t.rows, row[T]{})
	}
	t.rows[i] = row[T]{s, value}
	t.index[s] = i
	return i
}

// At is the value of a row, until the next Add.
func (t *Table[T]) At(i int32) *T { return &t.rows[i].value }

// Remove takes a row out. With the last one of many goes the memory.
func (t *Table[T]) Remove(i int32) {
	delete(t.index, t.rows[i].source)
	t.rows[i] = row[T]{}
	if t.free = append(t.free, i); len(t.index) == 0 && len(t.rows) > fewRows {
		*t = Table[T]{}
	}
}
