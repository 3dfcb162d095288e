// SPDX-License-Identifier: Apache-2.0

// Package units has the text that stands in more than one unit: in those of this
// directory meson puts it, in generated ones pkg/plan/unitgen. Its test renders the
// templates as meson does, adds the units that the generator makes for real
// listings, and asks systemd-analyze about all of them together.
package units

import _ "embed"

// Hardening is the sandbox of brokers and native rpcds, lines of [Service].
//
//go:embed hardening.conf
var Hardening string
