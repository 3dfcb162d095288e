// SPDX-License-Identifier: Apache-2.0

package unitgen

import (
	"fmt"

	"msrpcd/pkg/host/layout"
	"msrpcd/pkg/plan/unittext"
)

// ProblemService is the unit that says what the generator could not do: in its
// Description, in its status and in the journal. It fails when it is started,
// so that "systemctl --failed" shows it, until a refresh finds no problem.
const ProblemService = "msrpc-generator-problem.service"

// ProblemVariable and a number from 0 name the environment variables with the
// problems' texts; ProblemFlag has the generator report them.
const (
	ProblemVariable = "MSRPC_PROBLEM_"
	ProblemFlag     = "--report-problems"
)

// Bounds of what the unit carries; the rest is counted.
const (
	maxProblems    = 20
	maxProblemText = 900 // bytes
)

// problems adds the unit, wanted by the target.
func (s *set) problems(texts []string) {
	b := newBuilder()
	b.in("Unit")
	text := unittext.Description(texts[0])
	if n := len(texts) - 1; n > 0 {
		text += fmt.Sprintf(" (and %d more)", n)
	}
	b.set("Description", "MSRPC units: "+text)
	b.set("Documentation", manuals+" man:msrpcctl(8)")
	b.path("SourcePath", layout.Catalogue())
	b.set("PartOf", layout.Target)
	b.set("StartLimitIntervalSec", "0")
	b.in("Service")
	b.setAll("Type=oneshot\nNotifyAccess=main")
	for i, t := range texts[:min(len(texts), maxProblems)] {
		b.env(fmt.Sprint(ProblemVariable, i), unittext.Sentence(t, maxProblemText))
	}
	if n := len(texts) - maxProblems; n > 0 {
		b.env(fmt.Sprint(ProblemVariable, maxProblems), fmt.Sprintf("and %d more; see msrpcctl verify", n))
	}
	b.exec("ExecStart", Generator, ProblemFlag)
	b.set("Slice", layout.RootSlice)
	b.setAll(problemHardening)
	s.add(ProblemService, b)
	s.want(layout.Target, ProblemService, "../"+ProblemService)
}

// problemHardening: it reads its environment and writes to two sockets. It
// stays root, since an account could be part of the problem.
const problemHardening = `
CapabilityBoundingSet=
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateDevices=yes
PrivateNetwork=yes
ProtectHome=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
`
