// A lower bound of helm-diff 3.15.11 for benchmarks: the helm commands that it runs for an existing release, one after
// another, and a comparison of two texts. What helm-diff does beyond them (parsing, line diffs, access to the cluster
// while it renders) is left out, so the real plugin can only take longer.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Flags of `helm diff upgrade` that change what `helm template` renders; each takes a value.
var rendering = []string{
	"--values", "-f", "--set", "--set-string", "--set-file", "--set-json", "--set-literal",
	"--version", "--repo", "--kube-version", "--api-versions", "-a",
}

const versionCalls = 5

func helm(arguments ...string) ([]byte, error) {
	command := exec.Command(os.Getenv("HELM_BIN"), arguments...)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		err = fmt.Errorf("helm %s: %s", strings.Join(arguments[:1], " "), strings.TrimSpace(complaint.String()))
	}
	return out, err
}

func documents(text []byte) map[string]bool {
	found := map[string]bool{}
	for _, document := range strings.Split("\n"+string(text), "\n---") {
		if document = strings.TrimSpace(document); document != "" {
			found[document] = true
		}
	}
	return found
}

// Prints the lines of what is only in one of them, by its sign.
func missing(from, in map[string]bool, sign string) bool {
	changed := false
	for document := range from {
		if !in[document] {
			changed = true
			fmt.Println(sign + " " + strings.ReplaceAll(document, "\n", "\n"+sign+" "))
		}
	}
	return changed
}

func run(arguments []string) (int, error) {
	detailed := slices.Contains(arguments, "--detailed-exitcode")
	var names, flags []string
	for i := 0; i < len(arguments); i++ {
		name, _, joined := strings.Cut(arguments[i], "=")
		switch {
		case slices.Contains(rendering, name) && joined:
			flags = append(flags, arguments[i])
		case slices.Contains(rendering, name) && i+1 < len(arguments):
			flags = append(flags, name, arguments[i+1])
			i++
		case !strings.HasPrefix(name, "-"):
			names = append(names, name)
		}
	}
	// helmfile puts the release and its chart before every flag with a value.
	if len(names) < 3 || names[0] != "upgrade" {
		return 1, fmt.Errorf("only `upgrade RELEASE CHART` is known here")
	}
	release, chart := names[1], names[2]
	for range versionCalls {
		if _, err := helm("version"); err != nil {
			return 1, err
		}
	}
	stored, err := helm("get", "manifest", release)
	exists := err == nil
	if !exists && !strings.Contains(err.Error(), "not found") {
		return 1, err
	}
	template := append([]string{"template", release, chart}, flags...)
	if exists {
		template = append(template, "--is-upgrade")
	}
	rendered, err := helm(template...)
	if err != nil {
		return 1, err
	}
	if exists {
		hooks, err := helm("get", "hooks", release)
		if err != nil {
			return 1, err
		}
		stored = append(append(stored, '\n'), hooks...)
	}
	before, after := documents(stored), documents(rendered)
	gone := missing(before, after, "-")
	if came := missing(after, before, "+"); detailed && (gone || came) {
		return 2, fmt.Errorf("identified at least one change")
	}
	return 0, nil
}

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
	}
	os.Exit(code)
}
