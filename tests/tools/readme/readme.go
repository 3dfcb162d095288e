// SPDX-License-Identifier: Apache-2.0

// Package readme takes the examples out of README.md, so that tests run what
// readers copy.
package readme

import (
	"fmt"
	"strings"
)

// Block is the n-th block of code of a language ("" for none) in the chapter
// with that heading, n from 0.
func Block(text, heading, language string, n int) (string, error) {
	_, chapter, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		return "", fmt.Errorf("README.md has no chapter %q", heading)
	}
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	for fences := strings.Split(chapter, "\n```"); len(fences) > 2; fences = fences[2:] {
		found, block, _ := strings.Cut(fences[1], "\n")
		if found != language {
			continue
		}
		if n == 0 {
			return block + "\n", nil
		}
		n--
	}
	return "", fmt.Errorf("chapter %q of README.md has too few blocks of %q", heading, language)
}
